//! Package: from a finished kernel to .deb and .rpm, both from one payload.
//!
//! [`payload`] lists what is packaged, once; [`deb`] and [`rpm`] say where each file goes in
//! their format and stream it there. Nothing here depends on the clock, on file times or on
//! the order of a directory: the same kernel gives the same bytes.

mod compress;
mod cpio;
pub mod deb;
mod depmod;
mod error;
mod meter;
mod names;
mod output;
pub mod payload;
pub mod rpm;

use std::path::PathBuf;

use crate::build::KernelBuild;
use crate::context::Context;
use crate::plan::{Format, Plan};

pub use error::Error;
use meter::Meter;
use names::Names;
use payload::Payload;

/// A package in `--out`.
#[derive(Clone, Debug)]
pub struct Package {
    pub path: PathBuf,
    pub format: Format,
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// What both formats are made from.
struct Job<'a> {
    cx: &'a Context,
    plan: &'a Plan,
    names: Names,
    payload: Payload,
    meter: Meter<'a>,
}

/// Writes the packages of `plan.formats` into `plan.out`.
///
/// A package appears under its name only when it is complete, and then takes the place of one
/// with the same name. Needs `depmod`.
pub fn package(cx: &Context, plan: &Plan, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    let names = Names::new(plan, build)?;
    let dependencies = depmod::run(cx, build)?;
    let mut payload = Payload::list(build, dependencies.path())?;
    // Every file is read once for its checksums and once for each format.
    let meter = Meter::new(cx, payload.bytes() * (1 + plan.formats.len() as u64));
    payload.measure(&meter)?;
    let job = Job { cx, plan, names, payload, meter };
    let write = |format: &Format| match format {
        Format::Deb => deb::write(&job),
        Format::Rpm => rpm::write(&job),
    };
    plan.formats.iter().map(write).collect()
}
