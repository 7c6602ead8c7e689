//! gdb: its commands, and the meaning of its output.

use std::collections::BTreeMap;

use super::transcript::{Reading, Transcript};
use crate::claims::DebuggerOutcome;
use crate::stages::boot::records::AttemptEnding;

/// A file of commands. An error ends the file, so the mark appears only after a successful attach.
pub(super) const COMMANDS: &str = "attach %\necho @@ attached\\n\n";

/// The command line. In batch mode, an error ends only the command that caused it; `-c` has the same
/// effect for each thread.
pub(super) fn arguments(program: &str) -> Vec<String> {
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

/// Number of failures with one thread that make a loop; a working gdb never reaches it.
const LOOP: usize = 3;

/// Complaints about the architecture, from gdb/arch-utils.c and gdb/target-descriptions.c.
const ARCHITECTURE: [&str; 2] = [
    "is not compatible with reported target architecture",
    "Architecture rejected target-supplied description",
];

/// Reads the outcome from a transcript.
pub(super) fn read(transcript: &Transcript) -> Reading {
    let threads_seen = transcript.section("threads").lines().filter(|line| is_thread(line)).count() as u64;
    let (outcome, evidence) = outcome(transcript, threads_seen);
    Reading { outcome, evidence, usable: is_usable(transcript), threads_seen }
}

fn outcome(transcript: &Transcript, threads_seen: u64) -> (DebuggerOutcome, Option<String>) {
    if transcript.was_killed() {
        return match repeated_failure(transcript.text) {
            Some(line) => (DebuggerOutcome::AttachLoop, Some(line)),
            None => (DebuggerOutcome::TimedOut, Some(transcript.ending())),
        };
    }
    if !transcript.text.contains("@@ attached\n") {
        let error = match transcript.end.ending {
            AttemptEnding::Exit => attach_error(transcript.text),
            _ => None,
        };
        return (DebuggerOutcome::AttachAborted, Some(error.unwrap_or_else(|| transcript.ending())));
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

/// The message of a repeated failure to attach to one thread (gdb/linux-nat.c:
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

/// The last line before the first section: gdb prints its position in the file of commands, then the reason.
fn attach_error(text: &str) -> Option<String> {
    let before = text.split_once("@@ threads").map_or(text, |(before, _)| before);
    let last = before.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(last.to_owned())
}

/// Recognises `* 1    LWP 33 "tracee64" 0x0000000000401234 in ?? ()`.
fn is_thread(line: &str) -> bool {
    let rest = line.strip_prefix(['*', ' ']).unwrap_or(line).trim_start();
    let digits = rest.chars().take_while(char::is_ascii_digit).count();
    digits > 0 && rest[digits..].starts_with(' ') && (rest.contains("LWP ") || rest.contains("process "))
}

/// Whether gdb showed the leader's innermost frame and its instruction pointer.
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

/// The output of `thread apply` for one thread, from its heading `Thread 1 (LWP 33 "tracee64"):` on.
fn of_thread(section: &str, tid: u32) -> &str {
    let is_heading = |line: &str| line.starts_with("Thread ") && line.trim_end().ends_with(':');
    let names_thread = |line: &str| {
        ["LWP", "process"].iter().any(|word| {
            line.split_once(&format!("({word} {tid}")).is_some_and(|(_, rest)| rest.starts_with([')', ' ']))
        })
    };
    let mut start = None;
    let mut offset = 0;
    for line in section.split_inclusive('\n') {
        if is_heading(line) {
            if let Some(start) = start {
                return &section[start..offset];
            }
            if names_thread(line) {
                start = Some(offset);
            }
        }
        offset += line.len();
    }
    start.map_or("", |start| &section[start..])
}
