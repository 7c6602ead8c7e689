//! The vocabulary of a claim's `shows` table.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::answer::{Answer, Errno};
use super::register::{Hex, Register};

/// The value that a claim expects for one key. [`fmt::Display`] prints it as `report.json` shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// `true` or `false`.
    Flag(bool),
    /// A decimal number.
    Number(u64),
    /// A word, the name of an errno, or a hexadecimal number, as the report prints it.
    Word(String),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Flag(flag) => flag.fmt(f),
            Expected::Number(number) => number.fmt(f),
            Expected::Word(word) => word.fmt(f),
        }
    }
}

/// The values that a key accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueKind {
    Flag,
    Number,
    /// [`Answer`]: `ok` or an errno.
    Answer,
    /// [`super::Peek`]: a hexadecimal number or an errno.
    Peek,
    /// A hexadecimal number, or a word that stands for one.
    Register,
    /// A word about several registers.
    Group,
    /// Only this word.
    Literal(&'static str),
}

const FLAGS: &[&str] = &[
    "listed",
    "regset_agrees",
    "stops_on_interrupt",
    "stops_on_attach",
    "stops_on_sigstop",
    "resumes_on_sigcont",
    "freezes",
    "freezes_v1",
    "freezes_v2",
    "dies_with_group",
];
const ANSWERS: &[&str] = &["attach", "seize", "regset", "getregs"];
const PEEKS: &[&str] = &["peekuser_cs", "peekuser_ds"];

pub(super) const UNSEEN: &str = "unseen";
pub(super) const ZERO: &str = "zero";
pub(super) const CREATOR: &str = "creator";
/// Prefix of a key about the note in a core dump.
pub(super) const CORE: &str = "core_";

impl ValueKind {
    fn of(key: &str) -> Option<ValueKind> {
        match key {
            "regset_bytes" | "core_bytes" => Some(ValueKind::Number),
            "regs" | "thread_regs" | "core_regs" => Some(ValueKind::Group),
            "kernel_addresses" => Some(ValueKind::Literal("none")),
            "creator" => Some(ValueKind::Literal("telling")),
            key if FLAGS.contains(&key) => Some(ValueKind::Flag),
            key if ANSWERS.contains(&key) => Some(ValueKind::Answer),
            key if PEEKS.contains(&key) => Some(ValueKind::Peek),
            key => {
                let name = key.strip_prefix(CORE).unwrap_or(key);
                name.parse::<Register>().ok().map(|_| ValueKind::Register)
            }
        }
    }

    fn describe(self) -> &'static str {
        match self {
            ValueKind::Flag => "true or false",
            ValueKind::Number => "a number",
            ValueKind::Answer => "\"ok\", the name of an errno or \"unseen\"",
            ValueKind::Peek => "a number such as \"0x33\", the name of an errno or \"unseen\"",
            ValueKind::Register => "a number such as \"0x33\", \"zero\", \"creator\" or \"unseen\"",
            ValueKind::Group => "\"zero\", \"creator\" or \"unseen\"",
            ValueKind::Literal(word) => word,
        }
    }

    fn accepts_word(self, word: &str) -> bool {
        let is_hex = || word.parse::<Hex>().is_ok_and(|number| number.to_string() == word);
        let is_group = || [ZERO, CREATOR, UNSEEN].contains(&word);
        match self {
            ValueKind::Flag | ValueKind::Number => word == UNSEEN,
            ValueKind::Answer => word.parse::<Answer>().is_ok() || word == UNSEEN,
            ValueKind::Peek => is_hex() || word.parse::<Errno>().is_ok() || word == UNSEEN,
            ValueKind::Register => is_hex() || is_group(),
            ValueKind::Group => is_group(),
            ValueKind::Literal(only) => word == only,
        }
    }

    fn read(self, value: &toml::Value) -> Option<Expected> {
        match value {
            toml::Value::Boolean(flag) if self == ValueKind::Flag => Some(Expected::Flag(*flag)),
            toml::Value::Integer(number) if self == ValueKind::Number => {
                Some(Expected::Number(u64::try_from(*number).ok()?))
            }
            toml::Value::String(word) if self.accepts_word(word) => Some(Expected::Word(word.clone())),
            _ => None,
        }
    }
}

/// A `shows` table: the expected values by key; never empty.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, toml::Value>")]
pub struct ExpectedValues(BTreeMap<String, Expected>);

impl ExpectedValues {
    /// Every key with its expected value, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Expected)> {
        self.0.iter().map(|(key, expected)| (key.as_str(), expected))
    }

    /// The expected value of `key`.
    pub fn get(&self, key: &str) -> Option<&Expected> {
        self.0.get(key)
    }
}

impl TryFrom<BTreeMap<String, toml::Value>> for ExpectedValues {
    type Error = String;

    fn try_from(table: BTreeMap<String, toml::Value>) -> Result<ExpectedValues, String> {
        if table.is_empty() {
            return Err("shows is empty: a claim needs at least one expected value".into());
        }
        let entry = |(key, value): (String, toml::Value)| {
            let kind = ValueKind::of(&key).ok_or_else(|| format!("shows has no key {key:?}"))?;
            let expected =
                kind.read(&value).ok_or_else(|| format!("{key} must be {}, not {value}", kind.describe()))?;
            Ok((key, expected))
        };
        table.into_iter().map(entry).collect::<Result<_, String>>().map(ExpectedValues)
    }
}
