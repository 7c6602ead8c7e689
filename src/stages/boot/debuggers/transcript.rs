//! A debugger's output, split into sections.

use crate::claims::DebuggerOutcome;
use crate::stages::boot::records::{Attempt, AttemptEnd, AttemptEnding};

/// The mark that the commands print before each section of the output.
const MARK: &str = "@@ ";

/// The output of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transcript<'a> {
    pub(super) text: &'a str,
    pub(super) attempt: &'a Attempt,
    pub(super) end: AttemptEnd,
}

/// The meaning of a transcript.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) outcome: DebuggerOutcome,
    /// The line that decided the outcome, if a single line did.
    pub(super) evidence: Option<String>,
    pub(super) usable: bool,
    pub(super) threads_seen: u64,
}

impl Transcript<'_> {
    /// Whether the probe killed the debugger, at its deadline or its output limit.
    pub(super) fn was_killed(&self) -> bool {
        matches!(self.end.ending, AttemptEnding::Deadline | AttemptEnding::OutputLimit)
    }

    /// A clause about how the debugger ended.
    pub(super) fn ending(&self) -> String {
        let AttemptEnd { ending, status, .. } = self.end;
        match ending {
            AttemptEnding::Exit => format!("it ended with status {status}"),
            AttemptEnding::Signal => format!("signal {status} ended it"),
            AttemptEnding::Deadline => "it reached its deadline".into(),
            AttemptEnding::OutputLimit => "it reached its output limit".into(),
            AttemptEnding::NotStarted => "it could not be started".into(),
        }
    }

    /// The first line that contains one of the texts.
    pub(super) fn find(&self, texts: &[&str]) -> Option<String> {
        let line = self.text.lines().find(|line| texts.iter().any(|text| line.contains(text)))?;
        Some(line.trim().to_owned())
    }

    /// The lines from the mark of this name to the next mark.
    pub(super) fn section(&self, name: &str) -> &str {
        let mark = format!("{MARK}{name}\n");
        let rest = self.text.split_once(&mark).map_or("", |(_, rest)| rest);
        rest.split_once(MARK).map_or(rest, |(section, _)| section)
    }
}
