//! Claims about debuggers.

use std::str::FromStr;

use serde::Deserialize;

use super::{Bits, Conditions, Evidence, Judgement};
use crate::claims::observation::{DebuggerOutcome, DebuggerRun, TraceeAfter};

/// One `[[debugger]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebuggerClaim {
    /// `gdb` or `strace`.
    pub debugger: String,
    /// First version that it is about.
    pub from: Option<Version>,
    /// First later version that it is not about.
    pub before: Option<Version>,
    pub tracee: Option<Bits>,
    #[serde(default, deserialize_with = "super::lines")]
    pub lines: Option<Vec<crate::base::release::Line>>,
    pub shows: DebuggerShows,
}

/// What it shows; what is absent is not claimed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebuggerShows {
    pub outcome: Option<DebuggerOutcome>,
    pub usable: Option<bool>,
    pub tracee_after: Option<TraceeAfter>,
}

/// Numbers with dots between them, as debuggers have them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(Vec<u32>);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let parts = text.split('.').map(str::parse).collect::<Result<_, _>>();
        parts.map(Version).map_err(|_| format!("{text:?} is not a version: numbers with dots between them"))
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Version, String> {
        text.parse()
    }
}

impl DebuggerClaim {
    /// `name` is the debugger with its version: `gdb 10.1`, `gdb 13.1 (host)`.
    fn is_about(&self, name: &str) -> bool {
        let mut words = name.split(' ');
        let (tool, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = || version.parse::<Version>().ok();
        tool == self.debugger
            && self.from.as_ref().is_none_or(|from| version().is_some_and(|version| version >= *from))
            && self.before.as_ref().is_none_or(|before| version().is_some_and(|version| version < *before))
    }
}

/// Every claim on every debugger that was asked for; one that did not run shows nothing.
pub(super) fn judge(claims: &[DebuggerClaim], evidence: &Evidence) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for claim in claims.iter().filter(|claim| evidence.holds_on(&Conditions::of_line(claim.lines.as_deref())))
    {
        for name in evidence.requested.iter().filter(|name| claim.is_about(name)) {
            for bits in evidence.sizes().filter(|bits| claim.tracee.is_none_or(|only| only == *bits)) {
                let run = evidence
                    .debuggers
                    .iter()
                    .find(|run| run.debugger == **name && run.tracee_bits == bits.number());
                judgements.extend(claim.shows.judge(name, bits, run));
            }
        }
    }
    judgements
}

impl DebuggerShows {
    fn judge(&self, name: &str, bits: Bits, run: Option<&DebuggerRun>) -> Vec<Judgement> {
        let word = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let entries = [
            (
                "outcome",
                self.outcome.map(|it| serde_json::json!(it)),
                run.map(|it| serde_json::json!(it.outcome)),
            ),
            (
                "usable",
                self.usable.map(|it| serde_json::json!(it)),
                run.map(|it| serde_json::json!(it.usable)),
            ),
            (
                "tracee_after",
                self.tracee_after.map(|it| serde_json::json!(it)),
                run.map(|it| serde_json::json!(it.tracee_after)),
            ),
        ];
        let judge = |(key, expected, observed): (&str, Option<_>, Option<_>)| {
            let expected = word(expected?);
            let observed = observed.map_or_else(|| "it did not run".to_owned(), word);
            Some(Judgement {
                claim: format!("{name} on the {}-bit tracee: {key}", bits.number()),
                holds: expected == observed,
                expected,
                observed,
            })
        };
        entries.into_iter().filter_map(judge).collect()
    }
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
        let evidence =
            Evidence { line: None, ia32: true, observations: &[], requested: &requested, debuggers: runs };
        judge(claims, &evidence).into_iter().map(|it| (it.claim, it.holds)).collect()
    }

    #[test]
    fn a_claim_is_about_a_range_of_versions() {
        let claim = claim("debugger = \"gdb\"\nfrom = \"10.1\"\nbefore = \"13\"\nshows = { usable = true }");
        for (name, expected) in [
            ("gdb 10.1", true),
            ("gdb 12.1", true),
            ("gdb 13.1", false),
            ("gdb 9.2", false),
            ("strace 11", false),
        ] {
            assert_eq!(claim.is_about(name), expected, "{name}");
        }
    }

    #[test]
    fn a_debugger_that_did_not_run_breaks_the_claims_about_it() {
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
    fn each_size_and_each_entry_is_judged_by_itself() {
        let claims =
            [claim("debugger = \"gdb\"\nshows = { outcome = \"clean\", tracee_after = \"stopped\" }")];
        let runs =
            [run("gdb 13.1", 64, DebuggerOutcome::Clean), run("gdb 13.1", 32, DebuggerOutcome::AttachLoop)];
        let holds: Vec<_> = judged(&claims, &["gdb 13.1"], &runs).into_iter().map(|it| it.1).collect();
        assert_eq!(holds, [true, false, false, false]);
    }

    #[test]
    fn what_a_claim_cannot_say_is_refused_by_name() {
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
