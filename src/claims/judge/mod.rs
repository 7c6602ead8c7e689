//! Compares claims with what was seen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::shows::{CORE, CREATOR, UNSEEN, ZERO, is_register};
use super::{Bits, Claim, Claims, Conditions, Expected, Shows, Threads, debugger, side_claims};
use crate::base::release::Line;
use crate::claims::observation::{DebuggerRun, FRAME, Hex, Observation, THREAD};

/// What the claims are held against.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The release line of the kernel that ran, where its release could be understood.
    pub line: Option<Line>,
    /// Whether the kernel can run 32-bit programs.
    pub ia32: bool,
    pub observations: &'a [Observation],
    /// Debuggers that the run was asked to start.
    pub requested: &'a [String],
    pub debuggers: &'a [DebuggerRun],
}

impl Evidence<'_> {
    /// Sizes of tracee that the kernel can run.
    pub(super) fn sizes(&self) -> impl Iterator<Item = Bits> + use<> {
        let ia32 = self.ia32;
        [Bits::B64, Bits::B32].into_iter().filter(move |bits| ia32 || *bits == Bits::B64)
    }

    /// Whether a claim that is made under these conditions is made here.
    pub(super) fn holds_on(&self, conditions: &Conditions) -> bool {
        let here = |lines: &[Line]| self.line.is_some_and(|line| lines.contains(&line));
        conditions.lines.is_none_or(here) && conditions.ia32.is_none_or(|needed| needed == self.ia32)
    }
}

/// An entry of `claims` in `report.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Judgement {
    /// `64-bit io threads: peekuser_cs`.
    pub claim: String,
    pub expected: String,
    pub observed: String,
    pub holds: bool,
}

impl Judgement {
    /// A sentence where the claim does not hold.
    pub fn failure(&self) -> Option<String> {
        let Judgement { claim, expected, observed, holds } = self;
        (!holds).then(|| format!("claim does not hold: {claim}: expected {expected}, observed {observed}"))
    }
}

/// Judges the claims of a series and the side claims that it does not replace.
pub fn judge(claims: &Claims, evidence: &Evidence) -> Vec<Judgement> {
    let own: Vec<_> = expand(&claims.threads, evidence).collect();
    let replaced = |side: &Single| own.iter().any(|own| own.is_about_the_same(side));
    let side: Vec<_> = expand(side_claims(), evidence).filter(|single| !replaced(single)).collect();
    let seen: Vec<_> = evidence.observations.iter().map(Seen::new).collect();
    let mut judgements: Vec<_> = own.iter().chain(&side).map(|single| single.judge(&seen)).collect();
    judgements.extend(debugger::judge(&claims.debuggers, evidence));
    judgements
}

/// An observation, with its fields by their names in the report.
struct Seen<'a> {
    of: &'a Observation,
    fields: serde_json::Value,
}

impl std::ops::Deref for Seen<'_> {
    type Target = Observation;

    fn deref(&self) -> &Observation {
        self.of
    }
}

impl Seen<'_> {
    fn new(thread: &Observation) -> Seen<'_> {
        Seen { of: thread, fields: serde_json::to_value(thread).expect("an observation is plain data") }
    }

    fn field(&self, key: &str) -> String {
        match &self.fields[key] {
            serde_json::Value::Null => UNSEEN.into(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// One entry of one claim for one size of tracee.
struct Single<'a> {
    bits: Bits,
    threads: Threads,
    key: &'a str,
    expected: &'a Expected,
    /// The table it stands in: `regs` leaves out the registers named there.
    shows: &'a Shows,
}

/// Once for each size of tracee that a claim is about and the kernel can run.
fn expand<'a>(claims: &'a [Claim], evidence: &'a Evidence) -> impl Iterator<Item = Single<'a>> {
    let applies =
        |claim: &&Claim| evidence.holds_on(&Conditions { lines: claim.lines.as_deref(), ia32: claim.ia32 });
    claims.iter().filter(applies).flat_map(|claim| {
        let sizes = evidence.sizes().filter(|bits| claim.tracee.is_none_or(|only| only == *bits));
        sizes.flat_map(move |bits| {
            claim.shows.iter().map(move |(key, expected)| Single {
                bits,
                threads: claim.threads,
                key,
                expected,
                shows: &claim.shows,
            })
        })
    })
}

impl Single<'_> {
    fn is_about_the_same(&self, other: &Single) -> bool {
        (self.bits, self.threads, self.key) == (other.bits, other.threads, other.key)
    }

    fn judge(&self, observations: &[Seen]) -> Judgement {
        let matching: Vec<_> = observations
            .iter()
            .filter(|seen| seen.tracee_bits == self.bits.number() && self.threads.include(&seen.thread))
            .collect();
        let shown: Vec<_> = matching.iter().map(|seen| (seen.thread.as_str(), self.shown(seen))).collect();
        let expected = self.expected.to_string();
        let absent: Vec<_> = self
            .threads
            .required()
            .iter()
            .filter(|kind| !matching.iter().any(|seen| seen.thread == **kind))
            .collect();
        Judgement {
            claim: format!("{}-bit {}: {}", self.bits.number(), self.threads.describe(), self.key),
            holds: absent.is_empty() && shown.iter().all(|(_, value)| *value == expected),
            observed: match absent.first() {
                Some(kind) => format!("no {kind} thread"),
                None => summary(&shown),
            },
            expected,
        }
    }

    /// What one thread shows, in the words in which the claim is written.
    fn shown(&self, seen: &Seen) -> String {
        if let Some(key) = self.key.strip_prefix(CORE) {
            return self.shown_in_core(seen, key);
        }
        match self.key {
            "regs" => self.group(seen, &FRAME, "", |name| seen.register(name)),
            "thread_regs" => self.group(seen, &THREAD, "", |name| seen.register(name)),
            "kernel_addresses" => {
                listed(seen.kernel_addresses().into_iter().map(|(name, value)| format!("{name}={value}")))
            }
            "creator" if seen.creator_is_telling() => "telling".into(),
            "creator" => "has a zero register".into(),
            key if is_register(key) => self.register(seen, key, seen.register(key)),
            key => seen.field(key),
        }
    }

    fn shown_in_core(&self, seen: &Seen, key: &str) -> String {
        let note = seen.core.as_ref();
        match key {
            "bytes" => note.map_or_else(|| UNSEEN.into(), |note| note.bytes.to_string()),
            "regs" => {
                let names: Vec<_> = note.map_or(FRAME.to_vec(), |note| note.frame().collect());
                self.group(seen, &names, CORE, |name| seen.core_register(name))
            }
            key => self.register(seen, key, seen.core_register(key)),
        }
    }

    fn register(&self, seen: &Observation, name: &str, value: Option<Hex>) -> String {
        match (self.expected, value) {
            (Expected::Word(word), _) if matches(word, value, seen.creator_register(name)) => word.clone(),
            (_, Some(value)) => value.to_string(),
            (_, None) => UNSEEN.into(),
        }
    }

    /// The expected word if every register of the group is as it says, else those that are not.
    fn group(
        &self,
        seen: &Observation,
        names: &[&str],
        prefix: &str,
        value: impl Fn(&str) -> Option<Hex>,
    ) -> String {
        let word = self.expected.to_string();
        let wrong: Vec<_> = names
            .iter()
            .filter(|name| self.shows.get(&format!("{prefix}{name}")).is_none())
            .filter(|name| !matches(&word, value(name), seen.creator_register(name)))
            .map(|name| match value(name) {
                Some(value) => format!("{name}={value}"),
                None => format!("{name} {UNSEEN}"),
            })
            .collect();
        if wrong.is_empty() { word } else { wrong.join(" ") }
    }
}

fn matches(word: &str, value: Option<Hex>, creator: Option<Hex>) -> bool {
    match word {
        ZERO => value == Some(Hex(0)),
        CREATOR => value.is_some() && value == creator,
        UNSEEN => value.is_none(),
        number => value.is_some_and(|value| value.to_string() == number),
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { "none".into() } else { items.join(" ") }
}

/// One value where all agree, else each with the threads that show it.
fn summary(shown: &[(&str, String)]) -> String {
    let values: BTreeSet<_> = shown.iter().map(|(_, value)| value).collect();
    if values.len() == 1 {
        return shown[0].1.clone();
    }
    let each = |value: &&String| {
        let threads: BTreeSet<_> =
            shown.iter().filter(|(_, shown)| shown == *value).map(|(thread, _)| *thread).collect();
        format!("{value} ({})", Vec::from_iter(threads).join(", "))
    };
    values.iter().map(each).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
