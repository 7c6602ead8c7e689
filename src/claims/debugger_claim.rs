//! Claims about debuggers.

use std::str::FromStr;

use serde::Deserialize;

use super::claim::{self, Bits, Conditions};
use super::debugger_run::{DebuggerOutcome, DebuggerRun, TraceeAfter};
use super::observed::{Judgement, Observed};
use crate::base::release::Line;

/// A `[[debugger]]` table of `series.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebuggerClaim {
    /// `gdb` or `strace`.
    pub debugger: String,
    /// First version that the claim covers; `None` for no lower bound.
    pub from: Option<Version>,
    /// First later version that the claim does not cover; `None` for no upper bound.
    pub before: Option<Version>,
    /// The size of tracee that the claim covers; `None` for both.
    pub tracee: Option<Bits>,
    /// The release lines that the claim covers; `None` for every line.
    #[serde(default, deserialize_with = "claim::lines")]
    pub lines: Option<Vec<Line>>,
    /// The expected values.
    pub shows: ExpectedRun,
}

/// The `shows` table of a [`DebuggerClaim`]; a value that is `None` is not claimed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRun {
    /// How the debugger fares.
    pub outcome: Option<DebuggerOutcome>,
    /// Whether the session is usable.
    pub usable: Option<bool>,
    /// State of the tracee after the debugger left.
    pub tracee_after: Option<TraceeAfter>,
}

/// A debugger's version: numbers separated by dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(Vec<u32>);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let parts = text.split('.').map(str::parse).collect::<Result<_, _>>();
        parts
            .map(Version)
            .map_err(|_| format!("{text:?} is not a version: expected numbers separated by dots"))
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Version, String> {
        text.parse()
    }
}

impl DebuggerClaim {
    /// Whether the claim covers a debugger, given by name and version: `gdb 10.1`, `gdb 13.1 (host)`.
    fn covers(&self, debugger: &str) -> bool {
        let mut words = debugger.split(' ');
        let (tool, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = || version.parse::<Version>().ok();
        tool == self.debugger
            && self.from.as_ref().is_none_or(|from| version().is_some_and(|version| version >= *from))
            && self.before.as_ref().is_none_or(|before| version().is_some_and(|version| version < *before))
    }

    fn conditions(&self) -> Conditions<'_> {
        Conditions { lines: self.lines.as_deref(), ia32: None }
    }
}

/// Judges every claim on every requested debugger; a debugger that did not run fails its claims.
pub(super) fn judge(claims: &[DebuggerClaim], observed: &Observed) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for claim in claims.iter().filter(|claim| observed.meets(&claim.conditions())) {
        for name in observed.requested.iter().filter(|name| claim.covers(name)) {
            for bits in observed.sizes().filter(|bits| claim.tracee.is_none_or(|only| only == *bits)) {
                let run = observed
                    .debuggers
                    .iter()
                    .find(|run| run.debugger == **name && run.tracee_bits == bits.number());
                judgements.extend(claim.shows.judge(name, bits, run));
            }
        }
    }
    judgements
}

impl ExpectedRun {
    fn judge(&self, debugger: &str, bits: Bits, run: Option<&DebuggerRun>) -> Vec<Judgement> {
        let outcome = |outcome: DebuggerOutcome| text(&outcome);
        let usable = |usable: bool| usable.to_string();
        let after = |after: TraceeAfter| text(&after);
        let values = [
            ("outcome", self.outcome.map(outcome), run.map(|run| outcome(run.outcome))),
            ("usable", self.usable.map(usable), run.map(|run| usable(run.usable))),
            ("tracee_after", self.tracee_after.map(after), run.map(|run| after(run.tracee_after))),
        ];
        let judge = |(key, expected, observed): (&str, Option<String>, Option<String>)| {
            let expected = expected?;
            let observed = observed.unwrap_or_else(|| "it did not run".to_owned());
            Some(Judgement {
                claim: format!("{debugger} on the {}-bit tracee: {key}", bits.number()),
                holds: expected == observed,
                expected,
                observed,
            })
        };
        values.into_iter().filter_map(judge).collect()
    }
}

/// The name of a unit variant in the report.
fn text(variant: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(variant).expect("a unit variant is a string");
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(text: &str) -> DebuggerClaim {
        toml::from_str(text).unwrap()
    }

    fn run(debugger: &str, tracee_bits: u8, outcome: DebuggerOutcome) -> DebuggerRun {
        DebuggerRun {
            debugger: debugger.into(),
            tracee_bits,
            outcome,
            usable: true,
            tracee_after: TraceeAfter::Running,
            threads_seen: 3,
            threads: 3,
            seconds: 1.0,
            evidence: None,
            transcript: "t".into(),
        }
    }

    fn judged(claims: &[DebuggerClaim], requested: &[&str], runs: &[DebuggerRun]) -> Vec<(String, bool)> {
        let requested: Vec<_> = requested.iter().map(|name| (*name).to_owned()).collect();
        let observed =
            Observed { line: None, ia32: true, observations: &[], requested: &requested, debuggers: runs };
        judge(claims, &observed).into_iter().map(|judgement| (judgement.claim, judgement.holds)).collect()
    }

    #[test]
    fn a_claim_covers_a_range_of_versions() {
        let claim = claim("debugger = \"gdb\"\nfrom = \"10.1\"\nbefore = \"13\"\nshows = { usable = true }");
        for (name, expected) in [
            ("gdb 10.1", true),
            ("gdb 12.1", true),
            ("gdb 13.1", false),
            ("gdb 9.2", false),
            ("strace 11", false),
        ] {
            assert_eq!(claim.covers(name), expected, "{name}");
        }
    }

    #[test]
    fn a_debugger_that_did_not_run_fails_its_claims() {
        let claims = [claim("debugger = \"gdb\"\ntracee = 64\nshows = { outcome = \"clean\" }")];
        assert_eq!(
            judged(&claims, &["gdb 10.1"], &[]),
            [("gdb 10.1 on the 64-bit tracee: outcome".to_owned(), false)]
        );
        let runs = [run("gdb 10.1", 64, DebuggerOutcome::Clean)];
        assert!(judged(&claims, &["gdb 10.1"], &runs)[0].1);
        assert!(judged(&claims, &[], &runs).is_empty());
    }

    #[test]
    fn each_size_and_each_entry_is_judged_separately() {
        let claims =
            [claim("debugger = \"gdb\"\nshows = { outcome = \"clean\", tracee_after = \"stopped\" }")];
        let runs =
            [run("gdb 13.1", 64, DebuggerOutcome::Clean), run("gdb 13.1", 32, DebuggerOutcome::AttachLoop)];
        let holds: Vec<_> =
            judged(&claims, &["gdb 13.1"], &runs).into_iter().map(|(_, holds)| holds).collect();
        assert_eq!(holds, [true, false, false, false]);
    }

    #[test]
    fn an_invalid_entry_is_refused_by_name() {
        for (text, named) in [
            ("debugger = \"gdb\"\nshows = { outcome = \"fine\" }", "fine"),
            ("debugger = \"gdb\"\nshows = { outcom = \"clean\" }", "outcom"),
            ("debugger = \"gdb\"\nfrom = \"ten\"\nshows = { usable = true }", "ten"),
            ("debugger = \"gdb\"", "shows"),
        ] {
            let error = toml::from_str::<DebuggerClaim>(text).unwrap_err().to_string();
            assert!(error.contains(named), "{named} is not in: {error}");
        }
    }
}
