//! Compares claims about threads with the probe's observations.

use std::collections::BTreeSet;

use super::claim::{Bits, Claim, Threads};
use super::debugger_claim;
use super::expected::{CORE, CREATOR, Expected, ExpectedValues, UNSEEN, ZERO};
use super::observation::Observation;
use super::observed::{Judgement, Observed};
use super::register::{Hex, Register};
use super::series::{Claims, side_claims};
use crate::base::release::Line;

/// Judges the claims of a series and the side claims that the series does not replace.
pub fn judge(claims: &Claims, observed: &Observed) -> Vec<Judgement> {
    let threads: Vec<_> = observed.observations.iter().map(ThreadView::new).collect();
    let expectations = all_expectations(claims, observed);
    let mut judgements: Vec<_> = expectations.iter().map(|expectation| expectation.judge(&threads)).collect();
    judgements.extend(debugger_claim::judge(&claims.debuggers, observed));
    judgements
}

/// Whether a series makes a claim, the side claims included, that needs an observation under a key that starts with
/// `prefix`. `line` is the kernel's release line; `ia32`: the kernel runs 32-bit programs.
pub fn needs_observation(claims: &Claims, prefix: &str, line: Line, ia32: bool) -> bool {
    let observed = Observed { line: Some(line), ia32, observations: &[], requested: &[], debuggers: &[] };
    all_expectations(claims, &observed).iter().any(|expectation| {
        expectation.key.starts_with(prefix) && *expectation.expected != Expected::Word(UNSEEN.into())
    })
}

/// The expectations of the series, and those of the side claims that it does not replace.
fn all_expectations<'a>(claims: &'a Claims, observed: &'a Observed) -> Vec<Expectation<'a>> {
    let own: Vec<_> = expectations(&claims.threads, observed).collect();
    let replaced = |side: &Expectation| own.iter().any(|own| own.has_the_subject_of(side));
    let side: Vec<_> = expectations(side_claims(), observed).filter(|side| !replaced(side)).collect();
    own.into_iter().chain(side).collect()
}

/// An observation with access to its fields by their names in the report.
struct ThreadView<'a> {
    observation: &'a Observation,
    fields: serde_json::Value,
}

impl std::ops::Deref for ThreadView<'_> {
    type Target = Observation;

    fn deref(&self) -> &Observation {
        self.observation
    }
}

impl ThreadView<'_> {
    fn new(observation: &Observation) -> ThreadView<'_> {
        let fields = serde_json::to_value(observation).expect("an observation is plain data");
        ThreadView { observation, fields }
    }

    fn field(&self, key: &str) -> String {
        match &self.fields[key] {
            serde_json::Value::Null => UNSEEN.into(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// One entry of one claim's `shows` table, for one size of tracee.
struct Expectation<'a> {
    bits: Bits,
    threads: Threads,
    key: &'a str,
    expected: &'a Expected,
    /// The whole table: `regs` excludes the registers that it names.
    table: &'a ExpectedValues,
}

/// Returns the entries of all claims that apply to the kernel, once for each size of tracee that the
/// claim covers and the kernel can run.
fn expectations<'a>(claims: &'a [Claim], observed: &'a Observed) -> impl Iterator<Item = Expectation<'a>> {
    claims.iter().filter(|claim| observed.meets(&claim.conditions())).flat_map(|claim| {
        let sizes = observed.sizes().filter(|bits| claim.tracee.is_none_or(|only| only == *bits));
        sizes.flat_map(move |bits| {
            claim.shows.iter().map(move |(key, expected)| Expectation {
                bits,
                threads: claim.threads,
                key,
                expected,
                table: &claim.shows,
            })
        })
    })
}

impl Expectation<'_> {
    fn has_the_subject_of(&self, other: &Expectation) -> bool {
        (self.bits, self.threads, self.key) == (other.bits, other.threads, other.key)
    }

    fn judge(&self, threads: &[ThreadView]) -> Judgement {
        let matching: Vec<_> = threads
            .iter()
            .filter(|view| view.tracee_bits == self.bits.number() && self.threads.include(&view.thread))
            .collect();
        let shown: Vec<_> = matching.iter().map(|view| (view.thread.as_str(), self.shown(view))).collect();
        let expected = self.expected.to_string();
        let absent =
            self.threads.required().iter().find(|kind| !matching.iter().any(|view| view.thread == **kind));
        Judgement {
            claim: format!("{}-bit {}: {}", self.bits.number(), self.threads.describe(), self.key),
            holds: absent.is_none() && shown.iter().all(|(_, value)| *value == expected),
            observed: match absent {
                Some(kind) => format!("no {kind} thread"),
                None => summary(&shown),
            },
            expected,
        }
    }

    /// The value that one thread shows, in the claim's vocabulary.
    fn shown(&self, view: &ThreadView) -> String {
        if let Some(key) = self.key.strip_prefix(CORE) {
            return self.shown_in_core(view, key);
        }
        let value = |register| view.regs[register];
        match self.key {
            "regs" => self.group(view, Register::FRAME.iter().copied(), "", value),
            "thread_regs" => self.group(view, Register::THREAD.iter().copied(), "", value),
            "kernel_addresses" => {
                let addresses = view.kernel_addresses();
                listed(addresses.into_iter().map(|(register, value)| format!("{register}={value}")))
            }
            "creator" if view.creator_is_telling() => "telling".into(),
            "creator" => "has a zero register".into(),
            key => match key.parse::<Register>() {
                Ok(register) => self.register(view, register, view.regs[register]),
                Err(_) => view.field(key),
            },
        }
    }

    fn shown_in_core(&self, view: &ThreadView, key: &str) -> String {
        let value = |register| view.core_register(register);
        match (key, &view.core) {
            ("bytes", Some(note)) => note.bytes.to_string(),
            ("regs", Some(note)) => self.group(view, note.frame(), CORE, value),
            ("regs", None) => self.group(view, Register::FRAME.iter().copied(), CORE, value),
            (key, _) => match key.parse::<Register>() {
                Ok(register) => self.register(view, register, value(register)),
                Err(_) => UNSEEN.into(),
            },
        }
    }

    fn register(&self, thread: &Observation, register: Register, value: Option<Hex>) -> String {
        match (self.expected, value) {
            (Expected::Word(word), _) if matches(word, value, thread.creator_register(register)) => {
                word.clone()
            }
            (_, Some(value)) => value.to_string(),
            (_, None) => UNSEEN.into(),
        }
    }

    /// The expected word if it fits every register of the group, else the registers that differ.
    fn group(
        &self,
        thread: &Observation,
        registers: impl Iterator<Item = Register>,
        prefix: &str,
        value: impl Fn(Register) -> Option<Hex>,
    ) -> String {
        let word = self.expected.to_string();
        let wrong: Vec<_> = registers
            .filter(|register| self.table.get(&format!("{prefix}{register}")).is_none())
            .filter(|register| !matches(&word, value(*register), thread.creator_register(*register)))
            .map(|register| match value(register) {
                Some(value) => format!("{register}={value}"),
                None => format!("{register} {UNSEEN}"),
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

/// The value on which all threads agree, else each value with the threads that show it.
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
