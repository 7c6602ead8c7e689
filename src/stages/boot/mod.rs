//! Boot: runs the kernel in QEMU, observes its io threads, and judges the series' claims.
//!
//! A fault of the kernel (a panic, a hang, a claim that does not hold) is a result with the verdict
//! `fail`; an [`Error`] means that there is nothing to judge.

mod accel;
pub mod debuggers;
mod error;
mod guest;
mod image;
mod initramfs;
mod libraries;
mod problems;
mod qemu;
mod records;
mod request;
mod result;
mod run;
mod shell;
mod verdict;

use fs_err as fs;

use crate::base::context::Context;

pub use error::Error;
pub use guest::{Program, programs};
pub use records::{Attempt, AttemptEnd, AttemptEnding, Damage, LineKind, MissingTracee, Records};
pub use request::{BootRequest, Subject};
pub use result::{BootResult, Problem, ProblemKind, Verdict};
pub use shell::shell;

/// Boots a kernel with the probe and the requested debuggers, and judges what it shows.
///
/// # Errors
/// The image is not a kernel, a debugger cannot be obtained, the guest's programs do not compile, or
/// QEMU cannot run.
pub fn boot(cx: &Context, request: &BootRequest, subject: &Subject) -> Result<BootResult, Error> {
    image::check_image(&subject.image)?;
    fs::create_dir_all(&cx.logs)?;
    let debuggers = debuggers::obtain(cx, &request.debuggers)?;
    let initramfs = guest::initramfs(cx, &subject.cc, &debuggers)?.finish();
    // The user's deadline covers the probe; each debugger, on each of the two tracees, has its own.
    let deadline = request.deadline + debuggers::DEADLINE * 2 * debuggers.len() as u32;
    let boot = run::run(cx, request.accel, deadline, &subject.image, &initramfs)?;
    let runs = debuggers::interpret(&debuggers, &boot.records.attempts, &cx.logs)?;
    Ok(verdict::verdict(boot, subject.claims, &request.allowances, &debuggers, runs))
}
