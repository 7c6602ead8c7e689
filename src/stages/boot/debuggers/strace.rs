//! strace: its command line, and the meaning of its output.
//!
//! Two outcomes have a meaning specific to strace: `threads-hidden` if it attached to every thread that
//! `/proc/PID/task` lists, but not to every thread of the tracee; `threads-refused` if it could not attach
//! to a listed thread. strace is `usable` if it shows system calls of the leader.

use super::transcript::{Reading, Transcript};
use crate::claims::DebuggerOutcome;

/// Milliseconds until the probe interrupts strace, which follows its tracee without end.
pub(super) const INTERRUPT_MS: u32 = 3000;

/// The command line.
pub(super) fn arguments(program: &str) -> Vec<String> {
    [program, "-f", "-p", "%"].map(str::to_owned).to_vec()
}

/// Reads the outcome from a transcript.
pub(super) fn read(transcript: &Transcript) -> Reading {
    let threads_seen = attached(transcript.text).unwrap_or(0);
    let (outcome, evidence) = outcome(transcript, threads_seen);
    // strace names the thread only if it follows several.
    let prefix = format!("[pid {:>5}] ", transcript.attempt.pid);
    let prefix = if threads_seen > 1 { prefix.as_str() } else { "" };
    let call = |line: &str| line.strip_prefix(prefix).is_some_and(|rest| rest.contains(") = "));
    Reading { outcome, evidence, usable: transcript.text.lines().any(call), threads_seen }
}

fn outcome(transcript: &Transcript, threads_seen: u64) -> (DebuggerOutcome, Option<String>) {
    let counts = |all: u64| Some(format!("attached to {threads_seen} of {all} threads"));
    if transcript.was_killed() {
        return (DebuggerOutcome::TimedOut, Some(transcript.ending()));
    }
    if threads_seen == 0 {
        let error = transcript.find(&["ptrace(", "attach"]).unwrap_or_else(|| transcript.ending());
        return (DebuggerOutcome::AttachAborted, Some(error));
    }
    if threads_seen < transcript.attempt.listed {
        return (DebuggerOutcome::ThreadsRefused, counts(transcript.attempt.listed));
    }
    if threads_seen < transcript.attempt.threads {
        return (DebuggerOutcome::ThreadsHidden, counts(transcript.attempt.threads));
    }
    (DebuggerOutcome::Clean, None)
}

/// Reads the number of threads from `strace: Process 33 attached with 4 threads`, or 1 from
/// `strace: Process 33 attached`. The path of the program precedes the message.
fn attached(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("strace: Process ") && line.contains(" attached"))?;
    match line.split_once(" attached with ") {
        Some((_, rest)) => rest.split(' ').next()?.parse().ok(),
        None => Some(1),
    }
}
