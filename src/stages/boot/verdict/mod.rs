//! The verdict on a finished boot.

use super::debuggers::Debugger;
use super::problems::problems;
use super::records::Records;
use super::result::{BootResult, Verdict};
use super::run::Boot;
use crate::base::release::{Line, Release};
use crate::claims::console::{self, Allowance};
use crate::claims::{Claims, DebuggerRun, Observed, judge};

/// Judges a boot by its failures in the guest and by the claims.
pub(super) fn verdict(
    mut boot: Boot,
    claims: &Claims,
    allowances: &[Allowance],
    debuggers: &[Debugger],
    runs: Vec<DebuggerRun>,
) -> BootResult {
    let line = boot.records.release.as_deref().and_then(line_of);
    let allowances = [allowances, &claims.allowances].concat();
    let allowances = console::allow(&mut boot.console.complaints, &allowances, line, boot.accel);
    let problems = problems(&boot);
    let Boot { accel, seconds, console, records, log, .. } = boot;
    let requested: Vec<_> = debuggers.iter().map(Debugger::name).collect();
    let observed = Observed {
        line,
        ia32: has_ia32_emulation(&records),
        observations: &records.observations,
        requested: &requested,
        debuggers: &runs,
    };
    let mut notes = records.notes.clone();
    notes.extend(claims.untested(&observed));
    notes.extend(records.missing.iter().map(|(bits, missing)| {
        format!("no {bits}-bit tracee was observed: {} ({})", missing.what, missing.error)
    }));
    // If the probe never started, failed claims would only repeat the problem.
    let claims = if records.started() { judge(claims, &observed) } else { Vec::new() };
    let passed = problems.is_empty() && claims.iter().all(|claim| claim.holds);
    BootResult {
        verdict: if passed { Verdict::Pass } else { Verdict::Fail },
        accelerator: accel,
        seconds,
        kernel_messages: console.messages,
        complaints: console.complaints,
        allowances,
        guest_release: records.release,
        observations: records.observations,
        debuggers: runs,
        claims,
        problems,
        notes,
        console: log,
    }
}

/// Whether the guest can run 32-bit programs. Any reason other than `ENOEXEC` for a missing 32-bit tracee is
/// a failure of the test.
fn has_ia32_emulation(records: &Records) -> bool {
    !records.missing.iter().any(|(bits, missing)| *bits == 32 && missing.error.is_errno("ENOEXEC"))
}

/// The line whose claims apply to a release: `6.1` for `6.1.187-copy-segments-boot`.
fn line_of(uname: &str) -> Option<Line> {
    let release: Release = uname.split(['-', '+']).next()?.parse().ok()?;
    Line::patches_for(&release)
}

#[cfg(test)]
mod tests;
