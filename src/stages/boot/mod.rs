//! Boot: run the kernel in QEMU, observe its io threads, and judge the series' claims.
//!
//! What the kernel does wrong (a panic, a hang, a claim that does not hold) is a result with
//! the verdict `fail`; an [`Error`] means that there was nothing to judge.

mod accel;
mod console;
pub mod debuggers;
mod error;
mod guest;
mod initramfs;
mod libraries;
mod qemu;
mod records;
mod run;
mod shell;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::debuggers::DebuggerRequest;
use crate::base::context::Context;
use crate::base::options::Accel;
use crate::base::release::{Line, Release};
use crate::base::stage_result::StageResult;
use crate::claims::{DebuggerRun, Observation};
use crate::claims::{Claims, Judgement, Observed};

pub use console::{Console, KernelMessages};
pub use debuggers::Debugger;
pub use error::Error;
pub use guest::{Program, programs};
pub use records::{Attempt, Damage, Missing, Record, Records};
pub use run::Ending;
pub use shell::shell;

/// How to boot.
#[derive(Clone, Debug)]
pub struct BootRequest {
    /// `None`: what the probe of this host finds.
    pub accel: Option<Accel>,
    /// From power-on to the end of the probe.
    pub deadline: Duration,
    pub debuggers: DebuggerRequest,
}

/// What to boot and what to hold it to.
#[derive(Debug)]
pub struct Subject<'a> {
    pub image: PathBuf,
    /// The compiler that makes the probe: the one that built the kernel.
    pub cc: PathBuf,
    /// Those of the series; the side claims come by themselves.
    pub claims: &'a Claims,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    Skipped,
}

/// What went wrong in the guest, whatever the claims say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    Panic,
    Oops,
    /// The deadline passed.
    Hang,
    /// The deadline passed and the kernel had printed nothing.
    Silent,
    /// The guest ended before the probe did, without a panic.
    Died,
    /// Records were lost or damaged.
    Records,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub kind: ProblemKind,
    /// A sentence with the evidence.
    pub message: String,
}

/// `boot` of `report.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BootResult {
    pub verdict: Verdict,
    /// What really ran.
    pub accelerator: Accel,
    /// From power-on to the verdict.
    pub seconds: f64,
    pub kernel_messages: KernelMessages,
    /// `uname -r` of the guest, where the probe ran.
    pub guest_release: Option<String>,
    pub observations: Vec<Observation>,
    pub debuggers: Vec<DebuggerRun>,
    pub claims: Vec<Judgement>,
    pub problems: Vec<Problem>,
    /// What could not be observed, and warnings of the kernel.
    pub notes: Vec<String>,
    /// The log with everything that the kernel printed.
    pub console: PathBuf,
}

impl BootResult {
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// One line: the verdict and what it stands on.
    pub fn headline(&self) -> String {
        let accel = match self.accelerator {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        };
        match self.failures().len() {
            0 => format!("pass: {} claims held ({accel})", self.claims.len()),
            1 => format!("FAIL: {} ({accel})", self.failures()[0]),
            more => format!("FAIL: {}, and {} more ({accel})", self.failures()[0], more - 1),
        }
    }

    /// What the io threads showed, a line for each, and why the verdict is what it is.
    pub fn summary(&self) -> String {
        fn text(value: Option<&impl ToString>) -> String {
            value.map_or_else(|| "-".into(), ToString::to_string)
        }
        let mut rows = vec![["tracee", "thread", "cs", "regset", "ip", "sp"].map(str::to_owned).to_vec()];
        for seen in self.observations.iter().filter(|seen| seen.thread.starts_with("iou-")) {
            rows.push(vec![
                format!("{}-bit", seen.tracee_bits),
                seen.thread.clone(),
                text(seen.peekuser_cs.as_ref()),
                text(seen.regset_bytes.map(|bytes| format!("{bytes} bytes")).as_ref()),
                text(seen.ip.as_ref()),
                text(seen.sp.as_ref()),
            ]);
        }
        let mut summary = crate::base::text::columns(&rows);
        for failure in self.failures() {
            summary += &format!("failed: {failure}\n");
        }
        summary + &format!("verdict: {}\n", if self.passed() { "pass" } else { "FAIL" })
    }

    /// One sentence for each reason why the verdict is not `pass`.
    pub fn failures(&self) -> Vec<String> {
        let problems = self.problems.iter().map(|problem| problem.message.clone());
        problems.chain(self.claims.iter().filter_map(Judgement::failure)).collect()
    }
}

/// Boots the subject and judges what it shows.
pub fn boot(cx: &Context, request: &BootRequest, subject: &Subject) -> Result<BootResult, Error> {
    check_image(&subject.image)?;
    make_logs(cx)?;
    let debuggers = debuggers::obtain(cx, &request.debuggers)?;
    let initramfs = guest::initramfs(cx, &subject.cc, &debuggers)?.finish();
    // The user's deadline is that of the probe; each debugger has one of its own.
    let deadline = request.deadline + debuggers::DEADLINE * 2 * debuggers.len() as u32;
    let boot = run::run(cx, request.accel, deadline, &subject.image, &initramfs)?;
    let runs = understand(cx, &debuggers, &boot.records.attempts)?;
    Ok(judge(boot, subject.claims, &debuggers, runs))
}

fn understand(cx: &Context, debuggers: &[Debugger], attempts: &[Attempt]) -> Result<Vec<DebuggerRun>, Error> {
    let write = |source| Error::Io { action: "write", path: cx.logs.clone(), source };
    let run = |attempt: &Attempt| debuggers.get(attempt.number)?.understand(attempt, &cx.logs).transpose();
    attempts.iter().filter_map(run).collect::<Result<_, _>>().map_err(write)
}

fn make_logs(cx: &Context) -> Result<(), Error> {
    std::fs::create_dir_all(&cx.logs).map_err(|source| Error::Io {
        action: "create",
        path: cx.logs.clone(),
        source,
    })
}

/// The verdict on one finished boot.
fn judge(boot: run::Boot, claims: &Claims, debuggers: &[Debugger], runs: Vec<DebuggerRun>) -> BootResult {
    let problems = problems(&boot);
    let run::Boot { accel, seconds, console, records, log, .. } = boot;
    let line = records.release.as_deref().and_then(line_of);
    // Without 32-bit emulation there is nothing to observe; any other reason is a failure.
    let ia32 = !records.missing.iter().any(|(bits, why)| *bits == 32 && why.error == "ENOEXEC");
    let requested: Vec<_> = debuggers.iter().map(Debugger::name).collect();
    let observed =
        Observed { line, ia32, observations: &records.observations, requested: &requested, debuggers: &runs };
    let untested = claims.untested(&observed);
    // Claims about a guest that never answered would only repeat the problem.
    let claims = if records.started() { crate::claims::judge(claims, &observed) } else { Vec::new() };

    let mut notes = records.notes;
    notes.extend(untested);
    notes.extend(
        records
            .missing
            .iter()
            .map(|(bits, why)| format!("no {bits}-bit tracee was observed: {} ({})", why.what, why.error)),
    );
    notes.extend(
        console
            .first_warning
            .iter()
            .map(|text| format!("the kernel warned {} times, first: {text}", console.messages.warnings)),
    );
    let pass = problems.is_empty() && claims.iter().all(|claim| claim.holds);
    BootResult {
        verdict: if pass { Verdict::Pass } else { Verdict::Fail },
        accelerator: accel,
        seconds,
        kernel_messages: console.messages,
        guest_release: records.release,
        observations: records.observations,
        debuggers: runs,
        claims,
        problems,
        notes,
        console: log,
    }
}

/// The line whose claims a release is held to: `6.1` for `6.1.187-copy-segments-boot`.
fn line_of(uname: &str) -> Option<Line> {
    let release: Release = uname.split(['-', '+']).next()?.parse().ok()?;
    Line::patches_for(&release)
}

fn problems(boot: &run::Boot) -> Vec<Problem> {
    let console = &boot.console;
    let log = boot.log.display();
    let mut problems = Vec::new();
    let mut add = |kind, message| problems.push(Problem { kind, message });
    if let Some(panic) = &console.first_panic {
        add(ProblemKind::Panic, format!("the kernel panicked: {panic} (console: {log})"));
    }
    if let Some(oops) = &console.first_oops {
        let count = console.messages.oopses;
        add(ProblemKind::Oops, format!("the kernel had {count} oopses, first: {oops} (console: {log})"));
    }
    if boot.records.ended() {
        if let Some(damage) = &boot.records.damage {
            add(ProblemKind::Records, format!("the probe's records cannot be trusted: {damage}"));
        }
        return problems;
    }
    let step = match &boot.records.last_step {
        Some(step) => format!("the probe's last step was: {step}"),
        None => "the probe had not started".to_owned(),
    };
    let last = console.last.as_deref().unwrap_or_default();
    match boot.ending {
        Ending::Deadline(after) if console.is_silent() && !boot.records.started() => add(
            ProblemKind::Silent,
            format!(
                "the kernel printed nothing for {} s: it died early, or has no serial console (console: {log})",
                after.as_secs()
            ),
        ),
        Ending::Deadline(after) => add(
            ProblemKind::Hang,
            format!(
                "the guest hung: no end after {} s; {step}; last console line: {last} (console: {log})",
                after.as_secs()
            ),
        ),
        Ending::Exit if console.first_panic.is_none() && console.is_silent() => add(
            ProblemKind::Died,
            format!(
                "the guest ended without a word: the kernel died before its console came up (console: {log})"
            ),
        ),
        Ending::Exit if console.first_panic.is_none() => add(
            ProblemKind::Died,
            format!(
                "the guest ended before the probe did; {step}; last console line: {last} (console: {log})"
            ),
        ),
        Ending::Exit => {}
    }
    problems
}

/// The x86 boot protocol (Documentation/arch/x86/boot.rst): 0xaa55 at 0x1fe, `HdrS` at 0x202.
///
/// QEMU would take anything else for a Multiboot or PVH image, and say little about it.
fn check_image(image: &Path) -> Result<(), Error> {
    use std::io::Read;
    let io = |source| Error::Io { action: "read", path: image.to_owned(), source };
    let mut head = Vec::new();
    std::fs::File::open(image).and_then(|file| file.take(0x206).read_to_end(&mut head)).map_err(io)?;
    let is_kernel = head.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && head.get(0x202..0x206) == Some(b"HdrS");
    if is_kernel { Ok(()) } else { Err(Error::NotAKernel { path: image.to_owned() }) }
}

impl StageResult for BootResult {
    fn summary(&self) -> String {
        self.headline()
    }
}

#[cfg(test)]
mod tests;
