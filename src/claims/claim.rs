//! A claim about threads, and the conditions under which it applies.

use serde::Deserialize;

use super::expected::ExpectedValues;
use crate::base::release::Line;

/// A program's word size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "u8")]
pub enum Bits {
    /// 64-bit mode.
    B64,
    /// 32-bit mode, under the kernel's IA-32 emulation.
    B32,
}

impl Bits {
    /// 64 or 32.
    pub fn number(self) -> u8 {
        match self {
            Bits::B64 => 64,
            Bits::B32 => 32,
        }
    }
}

impl TryFrom<u8> for Bits {
    type Error = String;

    fn try_from(number: u8) -> Result<Bits, String> {
        match number {
            64 => Ok(Bits::B64),
            32 => Ok(Bits::B32),
            other => Err(format!("tracee must be 64 or 32, not {other}")),
        }
    }
}

/// The threads of a tracee that a claim covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Threads {
    /// Every io thread.
    #[serde(rename = "io")]
    Io,
    /// The thread group leader.
    #[serde(rename = "leader")]
    Leader,
    /// The thread that polls the submission queue.
    #[serde(rename = "iou-sqp")]
    Poller,
    /// The thread that creates workers (5.12 only).
    #[serde(rename = "iou-mgr")]
    Manager,
    /// A thread that runs blocking requests.
    #[serde(rename = "iou-wrk")]
    Worker,
}

impl Threads {
    /// The name in `report.json`.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Threads::Io => "io threads",
            Threads::Leader => "leader",
            Threads::Poller => "iou-sqp",
            Threads::Manager => "iou-mgr",
            Threads::Worker => "iou-wrk",
        }
    }

    /// Whether a thread of this kind is covered.
    pub(super) fn include(self, kind: &str) -> bool {
        match self {
            Threads::Io => kind.starts_with("iou-"),
            single => kind == single.describe(),
        }
    }

    /// The kinds of which at least one thread must be observed; otherwise the claim was not tested.
    pub(super) fn required(self) -> &'static [&'static str] {
        match self {
            Threads::Io => &["iou-sqp", "iou-wrk"],
            Threads::Leader => &["leader"],
            Threads::Poller => &["iou-sqp"],
            Threads::Manager => &["iou-mgr"],
            Threads::Worker => &["iou-wrk"],
        }
    }
}

/// A `[[claim]]` table of `series.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The size of tracee that the claim covers; `None` for both.
    pub tracee: Option<Bits>,
    /// The threads that the claim covers.
    pub threads: Threads,
    /// The release lines that the claim covers; `None` for every line.
    #[serde(default, deserialize_with = "lines")]
    pub lines: Option<Vec<Line>>,
    /// Whether the claim covers only kernels with (or, false, without) 32-bit emulation.
    pub ia32: Option<bool>,
    /// The expected values.
    pub shows: ExpectedValues,
}

impl Claim {
    pub(super) fn conditions(&self) -> Conditions<'_> {
        Conditions { lines: self.lines.as_deref(), ia32: self.ia32 }
    }
}

/// The kernels that a claim covers.
pub(super) struct Conditions<'a> {
    pub(super) lines: Option<&'a [Line]>,
    pub(super) ia32: Option<bool>,
}

/// Reads a list of release lines, each written `6.1` or `6.1.y`.
pub(super) fn lines<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Line>>, D::Error> {
    let line = |text: String| format!("{}.y", text.trim_end_matches(".y")).parse::<Line>();
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(serde::de::Error::custom("lines is empty: omit it for a claim about every line"));
    }
    names.into_iter().map(line).collect::<Result<_, _>>().map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Claim, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_claim_names_threads_conditions_and_expected_values() {
        let claim = parse(
            "tracee = 64\nthreads = \"io\"\nlines = [\"5.10\", \"6.1.y\"]\nshows = { regset_bytes = 216 }",
        )
        .unwrap();
        assert_eq!(claim.tracee, Some(Bits::B64));
        assert_eq!(claim.lines, Some(vec![Line::new(5, 10), Line::new(6, 1)]));
        assert_eq!(claim.threads, Threads::Io);
    }

    #[test]
    fn an_invalid_entry_is_refused_by_name() {
        for (text, named) in [
            ("threads = \"io\"\nbits = 64\nshows = { listed = true }", "bits"),
            ("threads = \"io\"\ntracee = 16\nshows = { listed = true }", "16"),
            ("threads = \"iou-foo\"\nshows = { listed = true }", "iou-foo"),
            ("threads = \"io\"\nshows = { lissted = true }", "lissted"),
            ("threads = \"io\"\nshows = { listed = \"yes\" }", "listed"),
            ("threads = \"io\"\nshows = { regset_bytes = \"216\" }", "regset_bytes"),
            ("threads = \"io\"\nshows = { peekuser_cs = \"33\" }", "peekuser_cs"),
            ("threads = \"io\"\nshows = { ax = \"zeroed\" }", "ax"),
            ("threads = \"io\"\nshows = { regs = \"0x0\" }", "regs"),
            ("threads = \"io\"\nlines = [\"six\"]\nshows = { listed = true }", "six"),
            ("threads = \"io\"\nlines = []\nshows = { listed = true }", "lines"),
            ("threads = \"io\"\nshows = {}", "shows"),
            ("threads = \"io\"", "shows"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(named), "{named} is not in: {error}");
        }
    }
}
