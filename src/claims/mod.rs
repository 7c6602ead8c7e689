//! What a series says a booted kernel will show, and the judgement on it.
//!
//! A claim is a table of `series.toml`:
//!
//! ```toml
//! [[claim]]
//! tracee = 64               # 64 or 32; without it both
//! threads = "io"            # "io": every io thread; "leader"; or one kind: "iou-sqp", "iou-mgr", "iou-wrk"
//! lines = ["5.10", "6.1"]   # without it every release line
//! ia32 = true               # only on kernels with (or, false, without) 32-bit emulation
//! shows = { peekuser_cs = "0x33", regset_bytes = 216, regs = "zero", ax = "0x1" }
//! ```
//!
//! Each entry of `shows` is judged by itself. It holds when at least one such thread was
//! observed and all of them show it; for `io` both a poller and a worker must be among them.
//! The keys are
//!
//! - the fields of an observation in `report.json` (`attach`, `listed`, `freezes` …) with the
//!   value expected there; `null` is written `"unseen"`;
//! - the names of the 27 registers of `user_regs_struct` (`r15` … `gs`), with a number, or
//!   `"zero"`, `"creator"` (what the creator's register held when it entered the system call
//!   that created the thread) or `"unseen"`;
//! - `regs` and `thread_regs`, with one of these words, for all registers that the same table
//!   does not name: the 21 of `pt_regs`, and the 6 (`fs_base` `gs_base` `ds` `es` `fs` `gs`)
//!   that the kernel keeps in `thread_struct`;
//! - `kernel_addresses = "none"`: no readable register holds an address of the kernel;
//! - `creator = "telling"`: no register of the creator was zero, so that copied and zeroed
//!   registers can be told apart.
//!
//! - `core_bytes`, and `core_` with the name of a register or with `regs`: the same of the thread's
//!   `NT_PRSTATUS` note in a core dump.
//!
//! What a debugger does is claimed in a table of its own, for a range of its versions:
//!
//! ```toml
//! [[debugger]]
//! debugger = "gdb"          # or "strace"
//! from = "10"               # without them every version
//! before = "13"
//! tracee = 64               # and lines, as above
//! shows = { outcome = "clean", usable = true, tracee_after = "running" }
//! ```
//!
//! It is judged for each debugger that the run was asked to start; one that did not run shows nothing.
//!
//! The side claims of `claims/side.toml` are made by every series. A series' own claim about
//! the same tracee, threads and key replaces the side claim.

mod debugger;
mod judge;
pub mod observation;
mod shows;

use std::sync::LazyLock;

use serde::Deserialize;

use crate::base::release::Line;

pub use debugger::DebuggerClaim;
pub use judge::{Evidence, Judgement, judge};
pub use shows::{Expected, Shows};

/// A program's word size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "u8")]
pub enum Bits {
    B64,
    B32,
}

impl Bits {
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
            other => Err(format!("tracee is 64 or 32, not {other}")),
        }
    }
}

/// Which threads of a tracee a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Threads {
    #[serde(rename = "io")]
    Io,
    #[serde(rename = "leader")]
    Leader,
    #[serde(rename = "iou-sqp")]
    Poller,
    #[serde(rename = "iou-mgr")]
    Manager,
    #[serde(rename = "iou-wrk")]
    Worker,
}

impl Threads {
    /// As `report.json` names it.
    fn describe(self) -> &'static str {
        match self {
            Threads::Io => "io threads",
            Threads::Leader => "leader",
            Threads::Poller => "iou-sqp",
            Threads::Manager => "iou-mgr",
            Threads::Worker => "iou-wrk",
        }
    }

    fn include(self, thread: &str) -> bool {
        match self {
            Threads::Io => thread.starts_with("iou-"),
            one => thread == one.describe(),
        }
    }

    /// Kinds of which there must be one, or else the claim was not put to the test.
    fn required(self) -> &'static [&'static str] {
        match self {
            Threads::Io => &["iou-sqp", "iou-wrk"],
            Threads::Leader => &["leader"],
            Threads::Poller => &["iou-sqp"],
            Threads::Manager => &["iou-mgr"],
            Threads::Worker => &["iou-wrk"],
        }
    }
}

/// What a series claims.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Claims {
    #[serde(default, rename = "claim")]
    pub threads: Vec<Claim>,
    #[serde(default, rename = "debugger")]
    pub debuggers: Vec<DebuggerClaim>,
}

impl Claims {
    /// What of the claims this boot did not put to the test, in sentences.
    pub fn untested(&self, evidence: &Evidence) -> Vec<String> {
        let mut untested = Vec::new();
        if evidence.requested.is_empty() && !self.debuggers.is_empty() {
            untested
                .push("no debugger was started: the claims about debuggers were not put to the test".into());
        }
        let lines = self.threads.iter().map(|claim| &claim.lines);
        let mut lines = lines.chain(self.debuggers.iter().map(|claim| &claim.lines));
        if evidence.line.is_none() && lines.any(Option::is_some) {
            untested.push(
                "the guest's release is of no known line: claims about single lines were not put to the test"
                    .into(),
            );
        }
        untested
    }
}

/// One `[[claim]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub tracee: Option<Bits>,
    pub threads: Threads,
    #[serde(default, deserialize_with = "lines")]
    pub lines: Option<Vec<Line>>,
    pub ia32: Option<bool>,
    pub shows: Shows,
}

/// Where a claim is made.
struct Conditions<'a> {
    lines: Option<&'a [Line]>,
    ia32: Option<bool>,
}

impl Conditions<'_> {
    fn of_line(lines: Option<&[Line]>) -> Conditions<'_> {
        Conditions { lines, ia32: None }
    }
}

/// `6.1` or `6.1.y`.
fn lines<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Vec<Line>>, D::Error> {
    let line = |text: String| format!("{}.y", text.trim_end_matches(".y")).parse::<Line>();
    let names = Vec::<String>::deserialize(d)?;
    if names.is_empty() {
        return Err(serde::de::Error::custom("lines is empty: leave it out for a claim about every line"));
    }
    names.into_iter().map(line).collect::<Result<_, _>>().map(Some).map_err(serde::de::Error::custom)
}

/// Claims that every series makes.
pub fn side_claims() -> &'static [Claim] {
    #[derive(Deserialize)]
    struct File {
        claim: Vec<Claim>,
    }
    static CLAIMS: LazyLock<Vec<Claim>> = LazyLock::new(|| {
        toml::from_str::<File>(include_str!("side.toml")).expect("the shipped side claims parse").claim
    });
    &CLAIMS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Claim, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_claim_says_who_shows_what_and_where() {
        let claim = parse(
            "tracee = 64\nthreads = \"io\"\nlines = [\"5.10\", \"6.1.y\"]\nshows = { regset_bytes = 216 }",
        )
        .unwrap();
        assert_eq!(claim.tracee, Some(Bits::B64));
        assert_eq!(claim.lines, Some(vec![Line::new(5, 10), Line::new(6, 1)]));
        assert_eq!(claim.threads, Threads::Io);
    }

    #[test]
    fn what_a_claim_cannot_say_is_refused_by_name() {
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

    #[test]
    fn every_series_makes_the_side_claims() {
        let claimed = |key| {
            side_claims().iter().any(|claim| claim.threads == Threads::Io && claim.shows.get(key).is_some())
        };
        for key in [
            "listed",
            "dies_with_group",
            "attach",
            "stops_on_interrupt",
            "stops_on_attach",
            "stops_on_sigstop",
            "resumes_on_sigcont",
            "freezes",
            "kernel_addresses",
        ] {
            assert!(claimed(key), "{key}");
        }
    }
}
