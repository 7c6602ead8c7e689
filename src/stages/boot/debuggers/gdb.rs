//! gdb: what it is told to do, and what its words mean.

use std::collections::BTreeMap;

use super::{AttemptEnding, Reading, Transcript};
use crate::claims::DebuggerOutcome;

/// Read by gdb; an error ends this file, so that the mark tells whether the attach went well.
pub const COMMANDS: &str = "attach %\necho @@ attached\\n\n";

/// In batch mode an error ends only the command that met it, not those after it; `-c` does the
/// same for each thread.
pub fn arguments(program: &str) -> Vec<String> {
    let mut arguments = vec![program.to_owned()];
    arguments.extend(["--nx", "--quiet", "--batch"].map(str::to_owned));
    for command in ["set width 0", "set height 0"] {
        arguments.extend(["-ex".to_owned(), command.to_owned()]);
    }
    arguments.extend(["-x", "/commands.now"].map(str::to_owned));
    for (mark, command) in [
        ("threads", "info threads"),
        ("backtraces", "thread apply all -c backtrace 8"),
        ("registers", "thread apply all -c info registers"),
        ("detach", "detach"),
    ] {
        arguments.extend(["-ex".to_owned(), format!("echo @@ {mark}\\n")]);
        arguments.extend(["-ex".to_owned(), command.to_owned()]);
    }
    arguments.extend(["-ex".to_owned(), "echo @@ end\\n".to_owned()]);
    arguments
}

/// As often as a healthy gdb never says it of one thread.
const LOOP: usize = 3;

/// gdb/arch-utils.c and gdb/target-descriptions.c.
const ARCHITECTURE: [&str; 2] = [
    "is not compatible with reported target architecture",
    "Architecture rejected target-supplied description",
];

pub fn read(transcript: &Transcript) -> Reading {
    let threads_seen = transcript.section("threads").lines().filter(|line| is_thread(line)).count() as u64;
    let (outcome, evidence) = outcome(transcript, threads_seen);
    Reading { outcome, evidence, usable: is_usable(transcript), threads_seen }
}

fn outcome(transcript: &Transcript, threads_seen: u64) -> (DebuggerOutcome, Option<String>) {
    if transcript.was_ended() {
        return match repeated_failure(transcript.text) {
            Some(line) => (DebuggerOutcome::AttachLoop, Some(line)),
            None => (DebuggerOutcome::TimedOut, Some(transcript.ending())),
        };
    }
    if !transcript.text.contains("@@ attached\n") {
        let said = match transcript.end.ending {
            AttemptEnding::Exit => attach_error(transcript.text),
            _ => None,
        };
        let said = said.unwrap_or_else(|| transcript.ending());
        return (DebuggerOutcome::AttachAborted, Some(said));
    }
    if !transcript.text.contains("@@ end\n") {
        return (DebuggerOutcome::AttachAborted, Some(transcript.ending()));
    }
    if let Some(line) = transcript.find(&ARCHITECTURE) {
        return (DebuggerOutcome::ArchitectureWarning, Some(line));
    }
    if threads_seen < transcript.attempt.threads {
        let known = transcript.attempt.threads;
        return (DebuggerOutcome::ThreadsHidden, Some(format!("{threads_seen} of {known} threads listed")));
    }
    (DebuggerOutcome::Clean, None)
}

/// A failed attach that was said again and again of the same thread (gdb/linux-nat.c:
/// `Cannot attach to lwp 34: Invalid argument (22)`).
fn repeated_failure(text: &str) -> Option<String> {
    let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
    let failed = text.lines().filter(|line| line.contains("annot attach to lwp"));
    for line in failed {
        let count = failures.entry(line.trim()).or_default();
        *count += 1;
        if *count >= LOOP {
            return Some(line.trim().to_owned());
        }
    }
    None
}

/// gdb says where in the file of commands it stopped, and then why.
fn attach_error(text: &str) -> Option<String> {
    let before = text.split_once("@@ threads").map_or(text, |(before, _)| before);
    let last = before.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(last.to_owned())
}

/// `* 1    LWP 33 "tracee64" 0x0000000000401234 in ?? ()`.
fn is_thread(line: &str) -> bool {
    let rest = line.strip_prefix(['*', ' ']).unwrap_or(line).trim_start();
    let digits = rest.chars().take_while(char::is_ascii_digit).count();
    digits > 0 && rest[digits..].starts_with(' ') && (rest.contains("LWP ") || rest.contains("process "))
}

/// The leader's innermost frame and its instruction pointer were shown.
fn is_usable(transcript: &Transcript) -> bool {
    let pid = transcript.attempt.pid;
    let frame = |line: &str| line.starts_with("#0 ") && line.contains("0x");
    let pointer = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("rip" | "eip")) && words.next().is_some_and(|word| word.starts_with("0x"))
    };
    of_thread(transcript.section("backtraces"), pid).lines().any(frame)
        && of_thread(transcript.section("registers"), pid).lines().any(pointer)
}

/// What `thread apply` printed for one thread: below `Thread 1 (LWP 33 "tracee64"):`.
fn of_thread(section: &str, tid: u32) -> &str {
    let is_head = |line: &str| line.starts_with("Thread ") && line.trim_end().ends_with(':');
    let of_this = |line: &str| {
        ["LWP", "process"].iter().any(|word| {
            line.split_once(&format!("({word} {tid}")).is_some_and(|(_, rest)| rest.starts_with([')', ' ']))
        })
    };
    let mut start = None;
    let mut at = 0;
    for line in section.split_inclusive('\n') {
        if is_head(line) {
            if let Some(start) = start {
                return &section[start..at];
            }
            if of_this(line) {
                start = Some(at);
            }
        }
        at += line.len();
    }
    start.map_or("", |start| &section[start..])
}
