//! Finds failures in the guest, independent of the claims.

use std::time::Duration;

use super::result::{Problem, ProblemKind};
use super::run::{Boot, Ending};
use crate::claims::console::Complaint;

/// Every problem of a boot. The first one is the cause if there are several.
pub(super) fn problems(boot: &Boot) -> Vec<Problem> {
    let mut problems: Vec<_> = kernel_bugs(boot).collect();
    if boot.records.ended() {
        problems.extend(boot.records.damage.as_ref().map(|damage| Problem {
            kind: ProblemKind::Records,
            message: format!("the probe's records are unreliable: {damage}"),
        }));
    } else {
        problems.extend(early_end(boot));
    }
    problems
}

fn kernel_bugs(boot: &Boot) -> impl Iterator<Item = Problem> + '_ {
    let log = boot.log.display().to_string();
    let panic = boot.console.first_panic.as_ref().map(|panic| Problem {
        kind: ProblemKind::Panic,
        message: format!("the kernel panicked: {panic} (console: {log})"),
    });
    let complaint = move |complaint: &Complaint| Problem {
        kind: if complaint.kind.is_oops() { ProblemKind::Oops } else { ProblemKind::Complaint },
        message: format!("the kernel complained: {} (line {} of {log})", complaint.name, complaint.line),
    };
    let complaints = boot.console.complaints.iter();
    let counting = complaints.filter(|complaint| complaint.allowed.is_none() && !complaint.kind.is_panic());
    // No allowance was compared with them.
    let further = (boot.console.further > 0).then(|| Problem {
        kind: ProblemKind::Complaint,
        message: format!(
            "the kernel complained {} more times (console: {})",
            boot.console.further,
            boot.log.display()
        ),
    });
    panic.into_iter().chain(counting.map(complaint)).chain(further)
}

/// The reason why the probe did not reach its end; `None` if a panic already explains it.
fn early_end(boot: &Boot) -> Option<Problem> {
    let (kind, message) = match boot.ending {
        Ending::Deadline(deadline) => missed_deadline(boot, deadline),
        Ending::Flood => (
            ProblemKind::Hang,
            format!("the guest was ended, because it wrote without end; {}", last_signs(boot)),
        ),
        Ending::Exit if boot.console.first_panic.is_some() => return None,
        Ending::Exit if boot.console.is_silent() => (
            ProblemKind::Died,
            "the guest ended without output: the kernel died before its console started".to_owned(),
        ),
        Ending::Exit => {
            (ProblemKind::Died, format!("the guest ended before the probe; {}", last_signs(boot)))
        }
    };
    Some(Problem { kind, message: format!("{message} (console: {})", boot.log.display()) })
}

fn missed_deadline(boot: &Boot, deadline: Duration) -> (ProblemKind, String) {
    let seconds = deadline.as_secs();
    if boot.console.is_silent() && !boot.records.started() {
        let message =
            format!("the kernel printed nothing in {seconds} s: it died early, or it has no serial console");
        return (ProblemKind::Silent, message);
    }
    let message = format!("the guest hung: the probe did not end in {seconds} s; {}", last_signs(boot));
    (ProblemKind::Hang, message)
}

/// The probe's last step and the last line on the console.
fn last_signs(boot: &Boot) -> String {
    let step = match &boot.records.last_step {
        Some(step) => format!("the probe's last step: {step}"),
        None => "the probe had not started".to_owned(),
    };
    let line = boot.console.last.as_deref().unwrap_or_default();
    format!("{step}; last console line: {line}")
}
