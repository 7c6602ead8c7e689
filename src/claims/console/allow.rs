//! Allowances: complaints that a boot may have, with the reason.
//!
//! ```toml
//! [[allow]]
//! pattern = "WARNING in old_driver_probe"   # a regular expression
//! reason = "fixed in 6.2"
//! release = "6.1.y"                         # omit it for every release
//! accelerator = "tcg"                       # omit it for both
//! ```

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::complaint::Complaint;
use crate::base::options::Accel;
use crate::base::release::Line;

/// An `[[allow]]` table of `series.toml` or of the configuration file, or an `allow` directive of a kconfig fragment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// Found in the complaint's name or in its first line.
    pattern: Pattern,
    reason: String,
    release: Option<ReleaseLine>,
    accelerator: Option<Accel>,
}

/// A regular expression that compiles.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        Regex::new(&text)
            .map(Pattern)
            .map_err(|error| format!("{text:?} is not a regular expression: {error}"))
    }
}

/// `6.1.y`, or `6.1` as the claims write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct ReleaseLine(Line);

impl TryFrom<String> for ReleaseLine {
    type Error = String;

    fn try_from(text: String) -> Result<ReleaseLine, String> {
        let line = text.strip_suffix(".y").unwrap_or(&text);
        format!("{line}.y")
            .parse()
            .map(ReleaseLine)
            .map_err(|_| format!("{text:?} is not a release line such as 6.1.y"))
    }
}

/// An allowance that applied to a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedAllowance {
    /// The regular expression.
    pub pattern: String,
    /// Why the complaints are allowed.
    pub reason: String,
    /// Number of complaints that it let through.
    pub complaints: u32,
}

/// Marks the complaints that an allowance for this boot matches. Returns these allowances, each with its number of
/// complaints. `line` is the release line of the booted kernel.
pub fn allow(
    complaints: &mut [Complaint],
    allowances: &[Allowance],
    line: Option<Line>,
    accelerator: Accel,
) -> Vec<AppliedAllowance> {
    let applies = |allowance: &&Allowance| {
        allowance.release.is_none_or(|release| Some(release.0) == line)
            && allowance.accelerator.is_none_or(|only| only == accelerator)
    };
    let mark = |allowance: &Allowance| {
        let pattern = &allowance.pattern.0;
        let mut count = 0;
        let matching = complaints
            .iter_mut()
            .filter(|complaint| pattern.is_match(&complaint.name) || pattern.is_match(&complaint.text));
        for complaint in matching {
            complaint.allowed.get_or_insert_with(|| allowance.reason.clone());
            count += 1;
        }
        AppliedAllowance {
            pattern: pattern.as_str().to_owned(),
            reason: allowance.reason.clone(),
            complaints: count,
        }
    };
    allowances.iter().filter(applies).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Console;
    use super::*;

    const LOG: &str = "\
[    0.5] WARNING: CPU: 0 PID: 1 at kernel/smp.c:912 smp_call_function_many_cond+0x1a0/0x2a0
[    0.5] Call Trace:
[    0.5]  smp_call_function_many_cond+0x1a0/0x2a0
[    0.5]  on_each_cpu+0x1/0x2
[    0.5] ---[ end trace 0000000000000000 ]---
[    0.6] UBSAN: shift-out-of-bounds in lib/x.c:1:2
[    0.6] Call Trace:
[    0.6]  shift_it+0x1/0x2
";

    fn allowed(table: &str, line: &str, accelerator: Accel) -> (Vec<bool>, Vec<u32>) {
        let mut console = Console::read(LOG.as_bytes()).unwrap();
        let allowances = [toml::from_str(table).unwrap()];
        let applied = allow(
            &mut console.complaints,
            &allowances,
            Some(format!("{line}.y").parse().unwrap()),
            accelerator,
        );
        let allowed = console.complaints.iter().map(|complaint| complaint.allowed.is_some()).collect();
        (allowed, applied.into_iter().map(|allowance| allowance.complaints).collect())
    }

    #[test]
    fn an_allowance_lets_what_it_matches_through() {
        let table = "pattern = 'WARNING in (smp|on)_'\nreason = 'known'";
        assert_eq!(allowed(table, "6.1", Accel::Tcg), (vec![true, false], vec![1]));
        let table = "pattern = 'lib/x\\.c'\nreason = 'known'\nrelease = '6.1.y'\naccelerator = 'tcg'";
        assert_eq!(allowed(table, "6.1", Accel::Tcg), (vec![false, true], vec![1]));
        assert_eq!(allowed(table, "6.12", Accel::Tcg), (vec![false, false], vec![]));
        assert_eq!(allowed(table, "6.1", Accel::Kvm), (vec![false, false], vec![]));
        assert_eq!(
            allowed("pattern = 'nothing'\nreason = 'r'", "6.1", Accel::Tcg),
            (vec![false, false], vec![0])
        );
    }

    #[test]
    fn a_wrong_allowance_is_an_error() {
        for table in [
            "pattern = '('\nreason = 'r'",
            "pattern = 'x'",
            "pattern = 'x'\nreason = 'r'\nrelease = 'six'",
            "pattern = 'x'\nreason = 'r'\nelse = 1",
        ] {
            assert!(toml::from_str::<Allowance>(table).is_err(), "{table}");
        }
    }
}
