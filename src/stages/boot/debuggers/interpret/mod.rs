//! Turns the probe's records of debuggers into runs, and keeps their transcripts.

use std::io;
use std::path::Path;

use fs_err as fs;

use super::debugger::{Debugger, DebuggerKind};
use super::transcript::Transcript;
use super::{gdb, strace};
use crate::claims::DebuggerRun;
use crate::stages::boot::records::{Attempt, AttemptEnd};

/// Reads the transcripts of all attempts that ended, and writes each to `logs`.
///
/// # Errors
/// A transcript cannot be written.
pub(in crate::stages::boot) fn interpret(
    debuggers: &[Debugger],
    attempts: &[Attempt],
    logs: &Path,
) -> io::Result<Vec<DebuggerRun>> {
    let run = |attempt: &Attempt| {
        let debugger = debuggers.get(attempt.number)?;
        Some(run(debugger, attempt, attempt.end?, logs))
    };
    attempts.iter().filter_map(run).collect()
}

fn run(debugger: &Debugger, attempt: &Attempt, end: AttemptEnd, logs: &Path) -> io::Result<DebuggerRun> {
    let file_name = debugger.name().replace(' ', "-").replace(['(', ')'], "");
    let path = logs.join(format!("{file_name}-{}.txt", attempt.tracee_bits));
    fs::write(&path, &attempt.output)?;
    let transcript = Transcript { text: &attempt.output, attempt, end };
    let reading = match debugger.kind {
        DebuggerKind::Gdb => gdb::read(&transcript),
        DebuggerKind::Strace => strace::read(&transcript),
    };
    Ok(DebuggerRun {
        debugger: debugger.name(),
        tracee_bits: attempt.tracee_bits,
        outcome: reading.outcome,
        usable: reading.usable,
        tracee_after: end.tracee_after,
        threads_seen: reading.threads_seen,
        threads: attempt.threads,
        seconds: end.milliseconds as f64 / 1000.0,
        evidence: reading.evidence,
        transcript: path,
    })
}

#[cfg(test)]
mod tests;
