//! strace: what it is told to do, and what its words mean.
//!
//! Its outcomes are those of gdb with a meaning of its own for two: `threads-hidden` when it
//! attached to all threads that `/proc/PID/task` lists but not to all there are, and
//! `threads-refused` when it could not attach to one that is listed. It is `usable` when it shows
//! system calls of the leader.

use super::{Reading, Transcript};
use crate::claims::DebuggerOutcome;

/// It follows its tracee until it is told to stop.
pub const INTERRUPT_MS: u32 = 3000;

pub fn arguments(program: &str) -> Vec<String> {
    [program, "-f", "-p", "%"].map(str::to_owned).to_vec()
}

pub fn read(transcript: &Transcript) -> Reading {
    let threads_seen = attached(transcript.text).unwrap_or(0);
    let (outcome, evidence) = outcome(transcript, threads_seen);
    // Where it follows one thread only, it does not say which.
    let leader = format!("[pid {:>5}] ", transcript.attempt.pid);
    let leader = if threads_seen > 1 { leader.as_str() } else { "" };
    let call = |line: &str| line.strip_prefix(leader).is_some_and(|rest| rest.contains(") = "));
    Reading { outcome, evidence, usable: transcript.text.lines().any(call), threads_seen }
}

fn outcome(transcript: &Transcript, threads_seen: u64) -> (DebuggerOutcome, Option<String>) {
    let counts = |all: u64| Some(format!("attached to {threads_seen} of {all} threads"));
    if transcript.was_ended() {
        return (DebuggerOutcome::TimedOut, Some(transcript.ending()));
    }
    if threads_seen == 0 {
        let said = transcript.find(&["ptrace(", "attach"]).unwrap_or_else(|| transcript.ending());
        return (DebuggerOutcome::AttachAborted, Some(said));
    }
    if threads_seen < transcript.attempt.listed {
        return (DebuggerOutcome::ThreadsRefused, counts(transcript.attempt.listed));
    }
    if threads_seen < transcript.attempt.threads {
        return (DebuggerOutcome::ThreadsHidden, counts(transcript.attempt.threads));
    }
    (DebuggerOutcome::Clean, None)
}

/// `strace: Process 33 attached with 4 threads`, or `strace: Process 33 attached` for one; in front
/// of it the path by which it was started.
fn attached(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("strace: Process ") && line.contains(" attached"))?;
    match line.split_once(" attached with ") {
        Some((_, rest)) => rest.split(' ').next()?.parse().ok(),
        None => Some(1),
    }
}
