//! Kernel release numbers, and the values of `--release`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Exit, Explain};
use super::text_schema::text_schema;

/// One upstream release: `5.12`, `6.1.187`, `7.2-rc3`.
///
/// `5.12` and `5.12.0` are the same release; the first form is the one kernel.org uses.
/// Ordering is by age within mainline numbering: `7.2-rc3 < 7.2 < 7.2.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    /// `VERSION` of the top Makefile.
    pub major: u32,
    /// `PATCHLEVEL`.
    pub minor: u32,
    /// `SUBLEVEL`: the point release within the line, 0 for the mainline release that opened it.
    pub point: u32,
    /// Release candidate number, for candidates of a mainline release.
    pub candidate: Option<u32>,
}

/// A release line: all releases that share `major.minor`, written `6.1.y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// `VERSION` of the top Makefile.
    pub major: u32,
    /// `PATCHLEVEL`.
    pub minor: u32,
}

/// A value of `--release`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseSpec {
    /// This release and no other.
    Exact(Release),
    /// The newest point release of the line that a source provides.
    Newest(Line),
    /// The newest release of any line that a source provides.
    Latest,
    /// No `--release`: the newest supported long-term line that can be reached.
    NewestLongTerm,
}

/// The text, the only field, is not a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kernel release")]
pub struct ParseError(pub String);

impl Explain for ParseError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        Some("use an exact release (5.12, 6.1.187), a line (6.1.y) or latest".into())
    }
}

impl Line {
    /// The line `major.minor.y`.
    pub const fn new(major: u32, minor: u32) -> Self {
        Line { major, minor }
    }

    /// Lines that the shipped series are written for and tested on, oldest first.
    pub const SUPPORTED: [Line; 6] = [
        Line::new(5, 10),
        Line::new(5, 12),
        Line::new(6, 1),
        Line::new(6, 12),
        Line::new(6, 18),
        Line::new(7, 2),
    ];

    /// Supported lines that kernel.org declares long-term, newest first.
    pub const LONG_TERM: [Line; 4] = [Line::new(6, 18), Line::new(6, 12), Line::new(6, 1), Line::new(5, 10)];

    /// The supported line whose patches are tried for `release`: its own, else the nearest older one.
    pub fn patches_for(release: &Release) -> Option<Line> {
        Self::SUPPORTED.iter().rev().find(|line| **line <= release.line()).copied()
    }
}

impl Release {
    /// The release `major.minor.point`, not a candidate.
    pub const fn new(major: u32, minor: u32, point: u32) -> Self {
        Release { major, minor, point, candidate: None }
    }

    /// The line of this release.
    pub fn line(&self) -> Line {
        Line::new(self.major, self.minor)
    }

    /// Whether io_uring's workers are threads of the user's process in this release (`PF_IO_WORKER`).
    ///
    /// True since mainline 5.12; 5.10.162 backported the io_uring code of 5.15.
    pub fn has_io_threads(&self) -> bool {
        match (self.major, self.minor) {
            (5, 10) => self.point >= 162,
            line => line >= (5, 12),
        }
    }

    /// `VERSION`, `PATCHLEVEL` and `SUBLEVEL` of the top Makefile.
    pub fn makefile_numbers(&self) -> (u32, u32, u32) {
        (self.major, self.minor, self.point)
    }

    /// The output of `make kernelversion`: always three numbers (`5.12.0`, `7.2.0-rc3`).
    pub fn kernel_version(&self) -> String {
        let base = format!("{}.{}.{}", self.major, self.minor, self.point);
        match self.candidate {
            Some(candidate) => format!("{base}-rc{candidate}"),
            None => base,
        }
    }

    fn order(&self) -> (u32, u32, u32, u32) {
        (self.major, self.minor, self.point, self.candidate.unwrap_or(u32::MAX))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.point != 0 {
            write!(f, ".{}", self.point)?;
        }
        match self.candidate {
            Some(candidate) => write!(f, "-rc{candidate}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.y", self.major, self.minor)
    }
}

impl fmt::Display for ReleaseSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReleaseSpec::Exact(release) => release.fmt(f),
            ReleaseSpec::Newest(line) => line.fmt(f),
            ReleaseSpec::Latest => f.write_str("latest"),
            ReleaseSpec::NewestLongTerm => f.write_str("the newest long-term line"),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

impl FromStr for Release {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (numbers, candidate) = match text.split_once("-rc") {
                Some((numbers, candidate)) => (numbers, Some(number(candidate)?)),
                None => (text, None),
            };
            let parts = numbers.split('.').map(number).collect::<Option<Vec<u32>>>()?;
            let (major, minor, point) = match parts[..] {
                [major, minor] => (major, minor, 0),
                [major, minor, point] => (major, minor, point),
                _ => return None,
            };
            if candidate.is_some() && point != 0 {
                return None;
            }
            Some(Release { major, minor, point, candidate })
        };
        parse().ok_or_else(|| ParseError(text.to_owned()))
    }
}

impl FromStr for Line {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.strip_suffix(".y")
            .and_then(|numbers| numbers.split_once('.'))
            .and_then(|(major, minor)| Some(Line::new(number(major)?, number(minor)?)))
            .ok_or_else(|| ParseError(text.to_owned()))
    }
}

impl FromStr for ReleaseSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "latest" {
            return Ok(ReleaseSpec::Latest);
        }
        // Tags begin with v, and kernel.org's mailing lists also write 6.1.x.
        let number = text.strip_prefix('v').unwrap_or(text);
        let line = number.strip_suffix(".x").map(|line| format!("{line}.y"));
        match line.as_deref().unwrap_or(number).parse::<Line>() {
            Ok(line) => Ok(ReleaseSpec::Newest(line)),
            Err(_) => {
                number.parse().map(ReleaseSpec::Exact).map_err(|_: ParseError| ParseError(text.to_owned()))
            }
        }
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Release, Line, ReleaseSpec);

text_schema!(
    Release,
    "An exact kernel release: `6.1.187`, `5.12`, `6.2-rc1`.",
    "^[0-9]+\\.[0-9]+(\\.[0-9]+)?(-rc[0-9]+)?$"
);
text_schema!(Line, "A release line: `6.1.y`.", "^[0-9]+\\.[0-9]+\\.y$");

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn releases_are_written_as_kernel_org_writes_them() {
        for (given, shown) in
            [("5.12", "5.12"), ("5.12.0", "5.12"), ("6.1.187", "6.1.187"), ("7.2-rc3", "7.2-rc3")]
        {
            assert_eq!(release(given).to_string(), shown);
        }
    }

    #[test]
    fn anything_else_is_not_a_release() {
        for text in [
            "",
            "6",
            "6.1.",
            "6.1.2.3",
            "vv6.1",
            "v",
            "vlatest",
            "6.01",
            "6.1.187-rc1",
            "6.1.187.x",
            "6.x",
            "six",
            "-6.1",
            "6.1.99999999999",
        ] {
            assert!(text.parse::<ReleaseSpec>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn lines_latest_and_exact_releases_are_distinguished() {
        assert_eq!("6.1.y".parse(), Ok(ReleaseSpec::Newest(Line::new(6, 1))));
        assert_eq!("latest".parse(), Ok(ReleaseSpec::Latest));
        assert_eq!("6.1".parse(), Ok(ReleaseSpec::Exact(Release::new(6, 1, 0))));
        assert_eq!("6.1.x".parse(), Ok(ReleaseSpec::Newest(Line::new(6, 1))));
        assert_eq!("v6.1.187".parse(), Ok(ReleaseSpec::Exact(Release::new(6, 1, 187))));
    }

    #[test]
    fn releases_sort_by_age() {
        let mut sorted = ["7.2.1", "6.1.9", "7.2", "6.1.187", "7.2-rc3", "6.12"].map(release);
        sorted.sort();
        assert_eq!(sorted.map(|r| r.to_string()), ["6.1.9", "6.1.187", "6.12", "7.2-rc3", "7.2", "7.2.1"]);
    }

    #[test]
    fn io_threads_came_with_5_12_and_with_the_5_10_162_backport() {
        for (text, expected) in [
            ("5.10.161", false),
            ("5.10.162", true),
            ("5.11.22", false),
            ("5.4.300", false),
            ("5.12", true),
            ("6.1.1", true),
            ("4.19.5", false),
        ] {
            assert_eq!(release(text).has_io_threads(), expected, "{text}");
        }
    }

    #[test]
    fn a_release_between_two_lines_uses_the_older_lines_patches() {
        assert_eq!(Line::patches_for(&release("6.6.3")), Some(Line::new(6, 1)));
        assert_eq!(Line::patches_for(&release("6.12.8")), Some(Line::new(6, 12)));
        assert_eq!(Line::patches_for(&release("5.4.1")), None);
    }
}
