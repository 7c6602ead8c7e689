//! The meaning of recorded transcripts, and of small changes to them.

use super::*;
use crate::claims::{DebuggerOutcome, TraceeAfter};
use crate::stages::boot::debuggers::transcript::Reading;
use crate::stages::boot::records::AttemptEnding;

struct Recording {
    kind: DebuggerKind,
    text: &'static str,
    pid: u32,
    listed: u64,
    ending: AttemptEnding,
}

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../../../../tests/data/debuggers/", $name, ".txt"))
    };
}

const CLEAN: Recording = gdb(recorded!("gdb-13.1-user-frame-64"), 52);
const WARNED: Recording = gdb(recorded!("gdb-10.1-zeroed-64"), 42);
const WARNED32: Recording = gdb(recorded!("gdb-10.1-user-segments-32"), 85);
const HIDDEN: Recording = Recording { listed: 1, ..gdb(recorded!("gdb-16.3-hide-threads-64"), 61) };
const ABORTED: Recording = gdb(recorded!("gdb-10.1-einval-regs-64"), 42);
const GAVE_UP: Recording = gdb(recorded!("gdb-16.3-einval-attach-64"), 56);
const LOOPED: Recording = endless(gdb(recorded!("gdb-10.1-einval-attach-64"), 42));
const LOOPED_LATER: Recording = endless(gdb(recorded!("gdb-13.1-einval-attach-64"), 49));
const TRACED: Recording =
    Recording { kind: DebuggerKind::Strace, ..gdb(recorded!("strace-6.1-user-frame-64"), 79) };
const TRACED_ONE: Recording =
    Recording { kind: DebuggerKind::Strace, listed: 1, ..gdb(recorded!("strace-6.1-hide-threads-64"), 79) };

const fn gdb(text: &'static str, pid: u32) -> Recording {
    Recording { kind: DebuggerKind::Gdb, text, pid, listed: 3, ending: AttemptEnding::Exit }
}

const fn endless(recording: Recording) -> Recording {
    Recording { ending: AttemptEnding::OutputLimit, ..recording }
}

impl Recording {
    fn read(&self) -> Reading {
        self.changed(self.text)
    }

    fn changed(&self, text: &str) -> Reading {
        self.ended(text, self.ending)
    }

    fn ended(&self, text: &str, ending: AttemptEnding) -> Reading {
        let attempt = Attempt {
            number: 0,
            tracee_bits: 64,
            pid: self.pid,
            threads: 3,
            listed: self.listed,
            output: String::new(),
            end: None,
        };
        let end = AttemptEnd { ending, status: 0, milliseconds: 1000, tracee_after: TraceeAfter::Running };
        let transcript = Transcript { text, attempt: &attempt, end };
        match self.kind {
            DebuggerKind::Gdb => gdb::read(&transcript),
            DebuggerKind::Strace => strace::read(&transcript),
        }
    }

    fn without(&self, part: &str) -> Reading {
        let rest: Vec<_> = self.text.lines().filter(|line| !line.contains(part)).collect();
        assert!(rest.len() < self.text.lines().count(), "no line has {part:?}");
        self.changed(&(rest.join("\n") + "\n"))
    }
}

#[test]
fn each_recording_has_its_known_outcome() {
    use DebuggerOutcome::*;
    for (recording, outcome, usable, threads) in [
        (CLEAN, Clean, true, 3),
        (WARNED, ArchitectureWarning, true, 3),
        (WARNED32, ArchitectureWarning, true, 3),
        (HIDDEN, ThreadsHidden, true, 1),
        (ABORTED, AttachAborted, true, 3),
        (GAVE_UP, AttachAborted, false, 0),
        (LOOPED, AttachLoop, false, 0),
        (LOOPED_LATER, AttachLoop, false, 0),
        (TRACED, Clean, true, 3),
        (TRACED_ONE, ThreadsHidden, true, 1),
    ] {
        let read = recording.read();
        let seen = (read.outcome, read.usable, read.threads_seen);
        assert_eq!(seen, (outcome, usable, threads), "{}", recording.text);
        assert_eq!(read.evidence.is_none(), outcome == Clean, "{:?}", read.evidence);
    }
}

#[test]
fn the_evidence_quotes_the_debugger() {
    for (recording, said) in [
        (WARNED, "is not compatible with reported target architecture"),
        (ABORTED, "Couldn't get CS register: Invalid argument."),
        (GAVE_UP, "Cannot attach to lwp 57: Invalid argument (22)"),
        (LOOPED, "Cannot attach to lwp 43: Invalid argument (22)"),
    ] {
        let evidence = recording.read().evidence.unwrap();
        assert!(evidence.contains(said), "{evidence}");
    }
}

#[test]
fn a_missing_line_changes_the_outcome() {
    use DebuggerOutcome::*;
    for (recording, line, outcome) in [
        (CLEAN, "@@ attached", AttachAborted),
        (CLEAN, "@@ end", AttachAborted),
        (CLEAN, "LWP 54 \"iou-wrk-52\" 0x", ThreadsHidden),
        (WARNED, "rchitecture", Clean),
        (TRACED, "attached with", AttachAborted),
    ] {
        assert_eq!(recording.without(line).outcome, outcome, "{line}");
    }
}

#[test]
fn an_additional_line_changes_the_outcome() {
    let warning = WARNED.text.lines().find(|line| line.contains("not compatible")).unwrap();
    let warned = format!("{warning}\n{}", CLEAN.text);
    assert_eq!(CLEAN.changed(&warned).outcome, DebuggerOutcome::ArchitectureWarning);
    // Attach failures do not make a loop of an attempt that ended well.
    let failed = format!("{}{}", LOOPED.text, CLEAN.text);
    assert_eq!(CLEAN.changed(&failed).outcome, DebuggerOutcome::Clean);
}

#[test]
fn an_endless_attempt_is_a_loop_only_if_one_thread_fails_repeatedly() {
    let twice: String = LOOPED.text.lines().take(4).map(|line| format!("{line}\n")).collect();
    assert_eq!(LOOPED.changed(&twice).outcome, DebuggerOutcome::TimedOut);
    let each_another: String =
        (1..40).map(|tid| format!("warning: Cannot attach to lwp {tid}: Invalid argument (22)\n")).collect();
    assert_eq!(LOOPED.changed(&each_another).outcome, DebuggerOutcome::TimedOut);
    for ending in [AttemptEnding::Deadline, AttemptEnding::OutputLimit] {
        assert_eq!(CLEAN.ended(CLEAN.text, ending).outcome, DebuggerOutcome::TimedOut);
        assert_eq!(LOOPED.ended(LOOPED.text, ending).outcome, DebuggerOutcome::AttachLoop);
    }
}

#[test]
fn a_debugger_that_dies_or_never_starts_did_not_attach() {
    for ending in [AttemptEnding::Signal, AttemptEnding::NotStarted] {
        let read = CLEAN.ended("", ending);
        assert_eq!(read.outcome, DebuggerOutcome::AttachAborted);
        assert!(!read.usable && read.evidence.is_some());
    }
}

#[test]
fn a_session_is_usable_only_with_the_leaders_frame_and_registers() {
    assert!(!CLEAN.without("#0  0x0000000000401153").usable);
    assert!(!CLEAN.without("rip            0x401153").usable);
    // The frames and registers of other threads do not count.
    assert!(!CLEAN.without("Thread 1 (LWP 52").usable);
    assert!(CLEAN.without("#0  0x0000000000000000").usable);
    assert!(!TRACED.without("[pid    79]").usable);
}

#[test]
fn strace_without_a_listed_thread_differs_from_strace_that_sees_fewer() {
    let text = TRACED.text.replace("attached with 3 threads", "attached with 2 threads");
    assert_eq!(TRACED.changed(&text).outcome, DebuggerOutcome::ThreadsRefused);
    let hidden = Recording { listed: 2, ..TRACED };
    assert_eq!(hidden.changed(&text).outcome, DebuggerOutcome::ThreadsHidden);
}
