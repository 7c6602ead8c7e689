//! Debuggers that attach to the tracees in the guest: which, where they come from, what each did.

mod choice;
mod data;
mod deb;
mod debian;
mod error;
mod host;
mod root;

mod gdb;
mod strace;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::records::{Attempt, AttemptEnd, AttemptEnding};
use crate::base::context::Context;
use crate::base::store::Entry;
use crate::claims::{DebuggerOutcome, DebuggerRun};

pub use choice::{ChoiceError, DebuggerRequest, Name, Wanted};
pub use error::Error;

/// A debugger with everything that it needs, for a root of its own in the guest.
#[derive(Debug)]
pub struct Debugger {
    pub tool: Tool,
    /// As the program is released: `10.1`.
    pub version: String,
    /// Path inside the root: `/usr/bin/gdb`.
    pub program: String,
    /// Folder in the store with folders, files, and the links `bin`, `lib` and `lib64` to `usr/…`.
    /// `/proc` is empty: whoever starts the program mounts it, and sets `HOME`, which gdb misses aloud.
    pub root: PathBuf,
    /// The host's own one, not one of Debian's.
    pub of_host: bool,
    /// Keeps other runs from removing the root.
    pub entry: Entry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    Gdb,
    Strace,
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Tool::Gdb => "gdb",
            Tool::Strace => "strace",
        }
    }
}

impl Debugger {
    /// `gdb 10.1`; `gdb 13.1 (host)` for the host's, which may have the version of one of Debian's.
    pub fn name(&self) -> String {
        let host = if self.of_host { " (host)" } else { "" };
        format!("{} {}{host}", self.tool.name(), self.version)
    }

    /// `%` stands for the tracee's process id.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self.tool {
            Tool::Gdb => gdb::arguments(&self.program),
            Tool::Strace => strace::arguments(&self.program),
        }
    }

    pub(super) fn commands(&self) -> Option<&'static str> {
        match self.tool {
            Tool::Gdb => Some(gdb::COMMANDS),
            Tool::Strace => None,
        }
    }

    /// Milliseconds, where it does not end by itself.
    pub(super) fn interrupted_after(&self) -> Option<u32> {
        match self.tool {
            Tool::Gdb => None,
            Tool::Strace => Some(strace::INTERRUPT_MS),
        }
    }

    /// What one attempt showed; its transcript is kept in `folder`.
    pub(super) fn understand(&self, attempt: &Attempt, folder: &Path) -> io::Result<Option<DebuggerRun>> {
        let Some(end) = attempt.end else { return Ok(None) };
        let name: String = self.name().replace(' ', "-").replace(['(', ')'], "");
        let transcript = folder.join(format!("{name}-{}.txt", attempt.tracee_bits));
        fs::write(&transcript, &attempt.output)?;
        let text = Transcript { text: &attempt.output, attempt, end };
        let reading = match self.tool {
            Tool::Gdb => gdb::read(&text),
            Tool::Strace => strace::read(&text),
        };
        Ok(Some(DebuggerRun {
            debugger: self.name(),
            tracee_bits: attempt.tracee_bits,
            outcome: reading.outcome,
            usable: reading.usable,
            tracee_after: end.tracee_after,
            threads_seen: reading.threads_seen,
            threads: attempt.threads,
            seconds: end.milliseconds as f64 / 1000.0,
            evidence: reading.evidence,
            transcript,
        }))
    }
}

/// The debuggers that were asked for, in that order, each made ready in the store.
///
/// Contacts the Debian mirror for those that the store does not have yet.
pub fn obtain(cx: &Context, request: &DebuggerRequest) -> Result<Vec<Debugger>, Error> {
    if request.wanted == Wanted::These(Vec::new()) {
        return Ok(Vec::new());
    }
    let archive = debian::Archive::new(cx, request)?;
    let mut debuggers = Vec::new();
    for name in request.wanted.names(archive.is_known()) {
        match name.suite() {
            Some(_) => debuggers.push(archive.obtain(name)?),
            None => debuggers.extend(host::obtain(cx, request.wanted.insists_on_host())?),
        }
    }
    Ok(debuggers)
}

/// What one debugger left behind, to be understood.
#[derive(Clone, Copy, Debug)]
struct Transcript<'a> {
    text: &'a str,
    attempt: &'a Attempt,
    end: AttemptEnd,
}

/// What a transcript tells.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    outcome: DebuggerOutcome,
    evidence: Option<String>,
    usable: bool,
    threads_seen: u64,
}

impl Transcript<'_> {
    /// Its deadline or its output's limit ended it.
    fn was_ended(&self) -> bool {
        matches!(self.end.ending, AttemptEnding::Deadline | AttemptEnding::OutputLimit)
    }

    /// How it ended, in words.
    fn ending(&self) -> String {
        let AttemptEnd { ending, status, .. } = self.end;
        match ending {
            AttemptEnding::Exit => format!("it ended with status {status}"),
            AttemptEnding::Signal => format!("signal {status} ended it"),
            AttemptEnding::Deadline => "it came to its deadline".into(),
            AttemptEnding::OutputLimit => "it printed without end".into(),
            AttemptEnding::NotStarted => "it could not be started".into(),
        }
    }

    fn find(&self, marks: &[&str]) -> Option<String> {
        let line = self.text.lines().find(|line| marks.iter().any(|mark| line.contains(mark)))?;
        Some(line.trim().to_owned())
    }

    /// The lines from the mark to the next one.
    fn section(&self, name: &str) -> &str {
        let mark = format!("{MARK}{name}\n");
        let rest = self.text.split_once(&mark).map_or("", |(_, rest)| rest);
        rest.split_once(MARK).map_or(rest, |(section, _)| section)
    }
}

/// What the commands print between their parts.
const MARK: &str = "@@ ";

/// Longest that one debugger runs, with what surrounds it: probe/debug.c ends it before.
pub const DEADLINE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod reading_tests;
