//! The input and the result of judging: the observations of a boot, and one judgement for each claim.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claim::{Bits, Conditions};
use super::debugger_run::DebuggerRun;
use super::observation::Observation;
use crate::base::release::Line;

/// Everything that a boot showed.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The release line of the kernel that ran; `None` if its release belongs to no known line.
    pub line: Option<Line>,
    /// Whether the kernel can run 32-bit programs.
    pub ia32: bool,
    /// One entry for each thread of each tracee.
    pub observations: &'a [Observation],
    /// Names of the debuggers that the run requested.
    pub requested: &'a [String],
    /// The debuggers that ran.
    pub debuggers: &'a [DebuggerRun],
}

impl Observed<'_> {
    /// Sizes of tracee that the kernel can run.
    pub(super) fn sizes(&self) -> impl Iterator<Item = Bits> + use<> {
        let ia32 = self.ia32;
        [Bits::B64, Bits::B32].into_iter().filter(move |bits| ia32 || *bits == Bits::B64)
    }

    /// Whether the kernel that ran meets a claim's conditions.
    pub(super) fn meets(&self, conditions: &Conditions) -> bool {
        let covered = |lines: &[Line]| self.line.is_some_and(|line| lines.contains(&line));
        conditions.lines.is_none_or(covered) && conditions.ia32.is_none_or(|needed| needed == self.ia32)
    }
}

/// The judgement of one claim: an entry of `claims` in `report.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// Tracee, threads and key: `64-bit io threads: peekuser_cs`.
    pub claim: String,
    /// The expected value, as the series writes it.
    pub expected: String,
    /// The observed value; threads that disagree are named after each value.
    pub observed: String,
    /// Whether the claim holds.
    pub holds: bool,
}

impl Judgement {
    /// A sentence about a claim that does not hold.
    pub fn failure(&self) -> Option<String> {
        let Judgement { claim, expected, observed, holds } = self;
        (!holds).then(|| format!("claim does not hold: {claim}: expected {expected}, observed {observed}"))
    }
}
