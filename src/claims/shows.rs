//! The vocabulary of a claim's `shows` table.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::claims::observation::{FRAME, Hex, THREAD};

/// What a claim expects of one key. [`std::fmt::Display`] gives it as `report.json` shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Flag(bool),
    Number(u64),
    /// A word, an errno's name, or a hexadecimal number, as written in the report.
    Word(String),
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Flag(flag) => flag.fmt(f),
            Expected::Number(number) => number.fmt(f),
            Expected::Word(word) => word.fmt(f),
        }
    }
}

/// What a key may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Flag,
    Number,
    /// `ok` or an errno's name.
    Result,
    /// A hexadecimal number or an errno's name.
    Peek,
    /// A hexadecimal number or a word for one.
    Register,
    /// Only a word.
    Group,
    This(&'static str),
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
const RESULTS: &[&str] = &["attach", "seize", "regset", "getregs"];
const PEEKS: &[&str] = &["peekuser_cs", "peekuser_ds"];

pub(super) const UNSEEN: &str = "unseen";
pub(super) const ZERO: &str = "zero";
pub(super) const CREATOR: &str = "creator";
/// In front of a key that is about the note in a core dump.
pub(super) const CORE: &str = "core_";

fn takes(key: &str) -> Option<Takes> {
    match key {
        "regset_bytes" | "core_bytes" => Some(Takes::Number),
        "regs" | "thread_regs" | "core_regs" => Some(Takes::Group),
        "kernel_addresses" => Some(Takes::This("none")),
        "creator" => Some(Takes::This("telling")),
        key if FLAGS.contains(&key) => Some(Takes::Flag),
        key if RESULTS.contains(&key) => Some(Takes::Result),
        key if PEEKS.contains(&key) => Some(Takes::Peek),
        key if is_register(key.strip_prefix(CORE).unwrap_or(key)) => Some(Takes::Register),
        _ => None,
    }
}

pub(super) fn is_register(key: &str) -> bool {
    FRAME.contains(&key) || THREAD.contains(&key)
}

impl Takes {
    fn words(self) -> &'static str {
        match self {
            Takes::Flag => "true or false",
            Takes::Number => "a number",
            Takes::Result => "\"ok\", the name of an errno or \"unseen\"",
            Takes::Peek => "a number as \"0x33\", the name of an errno or \"unseen\"",
            Takes::Register => "a number as \"0x33\", \"zero\", \"creator\" or \"unseen\"",
            Takes::Group => "\"zero\", \"creator\" or \"unseen\"",
            Takes::This(word) => word,
        }
    }

    fn accepts(self, value: &toml::Value) -> Option<Expected> {
        let is_errno = |word: &str| {
            word.starts_with('E')
                && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let is_hex = |word: &str| word.parse::<Hex>().is_ok_and(|number| number.to_string() == word);
        let is_group = |word: &str| [ZERO, CREATOR, UNSEEN].contains(&word);
        let fits = |word: &str| match self {
            Takes::Flag | Takes::Number => word == UNSEEN,
            Takes::Result => word == "ok" || is_errno(word) || word == UNSEEN,
            Takes::Peek => is_hex(word) || is_errno(word) || word == UNSEEN,
            Takes::Register => is_hex(word) || is_group(word),
            Takes::Group => is_group(word),
            Takes::This(one) => word == one,
        };
        match value {
            toml::Value::Boolean(flag) if self == Takes::Flag => Some(Expected::Flag(*flag)),
            toml::Value::Integer(number) if self == Takes::Number => {
                Some(Expected::Number(u64::try_from(*number).ok()?))
            }
            toml::Value::String(word) if fits(word) => Some(Expected::Word(word.clone())),
            _ => None,
        }
    }
}

/// The entries of `shows`, by key; never empty.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, toml::Value>")]
pub struct Shows(BTreeMap<String, Expected>);

impl Shows {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Expected)> {
        self.0.iter().map(|(key, expected)| (key.as_str(), expected))
    }

    pub fn get(&self, key: &str) -> Option<&Expected> {
        self.0.get(key)
    }
}

impl TryFrom<BTreeMap<String, toml::Value>> for Shows {
    type Error = String;

    fn try_from(table: BTreeMap<String, toml::Value>) -> Result<Shows, String> {
        if table.is_empty() {
            return Err("shows is empty: a claim must say something".into());
        }
        let entry = |(key, value): (String, toml::Value)| {
            let takes = takes(&key).ok_or_else(|| format!("a claim cannot say what {key:?} shows"))?;
            let expected =
                takes.accepts(&value).ok_or_else(|| format!("{key} shows {}, not {value}", takes.words()))?;
            Ok((key, expected))
        };
        table.into_iter().map(entry).collect::<Result<_, String>>().map(Shows)
    }
}
