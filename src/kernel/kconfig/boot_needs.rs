//! What the boot test needs of a kernel's configuration.

use super::expression::Values;
use super::options::{Base, Kconfig};
use crate::claims::Claims;

/// An option without whose value the guest cannot run the probe, or cannot report.
#[derive(Debug)]
pub struct BootNeed {
    /// The option, without `CONFIG_`.
    pub symbol: &'static str,
    wants: Wants,
    /// What the boot test does with the option, as the end of a sentence.
    why: &'static str,
    applies: Applies,
}

#[derive(Clone, Copy, Debug)]
enum Wants {
    BuiltIn,
    /// Built in, and off unless a fragment requests it: `allnoconfig` turns it off.
    Requested,
    Off,
    AtLeast(u64),
}

#[derive(Clone, Copy, Debug)]
enum Applies {
    Always,
    /// The series claims something about core dumps.
    ToCoreDumps,
}

use Applies::{Always, ToCoreDumps};
use Wants::{AtLeast, BuiltIn, Off, Requested};

const NEEDS: [BootNeed; 14] = [
    need("BLK_DEV_INITRD", Requested, "the probe is in an initramfs", Always),
    need("SERIAL_8250_CONSOLE", Requested, "the console is the first serial port", Always),
    need("SERIAL_8250_NR_UARTS", AtLeast(2), "the second serial port carries the probe's records", Always),
    need(
        "SERIAL_8250_RUNTIME_UARTS",
        AtLeast(2),
        "the second serial port carries the probe's records",
        Always,
    ),
    need("CMDLINE_OVERRIDE", Off, "the boot test has a kernel command line of its own", Always),
    need("BINFMT_ELF", BuiltIn, "the probe is an ELF program", Always),
    need("PRINTK", BuiltIn, "panics and complaints are read from the console", Always),
    need("PROC_FS", BuiltIn, "the probe finds the threads below /proc", Always),
    need("IO_URING", BuiltIn, "the claims are about the threads of io_uring", Always),
    need("CGROUPS", Requested, "each series claims that io threads freeze", Always),
    need("CGROUP_FREEZER", Requested, "each series claims that io threads freeze", Always),
    need("COREDUMP", BuiltIn, "the series claims something about core dumps", ToCoreDumps),
    need("ELF_CORE", BuiltIn, "the series claims something about core dumps", ToCoreDumps),
    need("PROC_SYSCTL", BuiltIn, "the probe names core dumps in /proc/sys/kernel/core_pattern", ToCoreDumps),
];

const fn need(symbol: &'static str, wants: Wants, why: &'static str, applies: Applies) -> BootNeed {
    BootNeed { symbol, wants, why, applies }
}

impl BootNeed {
    /// The first need that the requested options exclude, before any work is done.
    pub(super) fn excluded_by(kconfig: &Kconfig) -> Option<&'static BootNeed> {
        let is_excluded = |need: &&BootNeed| match (kconfig.options.get(need.symbol), need.wants) {
            (Some(option), _) => !need.wants.accept(Some(&option.value)),
            (None, Requested) => kconfig.base == Base::AllNoConfig,
            (None, _) => false,
        };
        NEEDS.iter().filter(|need| matches!(need.applies, Always)).find(is_excluded)
    }

    /// The first need that a configured kernel does not meet; `claims` is what its boot has to show.
    pub(crate) fn unmet(values: &Values, claims: &Claims) -> Option<&'static BootNeed> {
        let applies = |need: &&BootNeed| match need.applies {
            Always => true,
            ToCoreDumps => claims.mention_core_dumps(),
        };
        let is_unmet = |need: &&BootNeed| !need.wants.accept(values.get(need.symbol).map(String::as_str));
        NEEDS.iter().filter(applies).find(is_unmet)
    }

    /// `CONFIG_X must be built in, because …`.
    pub(super) fn reason(&self) -> String {
        let must = match self.wants {
            BuiltIn | Requested => "be built in".to_owned(),
            Off => "be off".to_owned(),
            AtLeast(number) => format!("be at least {number}"),
        };
        format!("CONFIG_{} must {must}, because {}", self.symbol, self.why)
    }

    /// The line that meets the need.
    pub(super) fn setting(&self) -> String {
        match self.wants {
            BuiltIn | Requested => format!("CONFIG_{}=y", self.symbol),
            Off => format!("# CONFIG_{} is not set", self.symbol),
            AtLeast(number) => format!("CONFIG_{}={number}", self.symbol),
        }
    }
}

impl Wants {
    /// Whether an option with this value meets the need; `None`: `.config` does not have the option.
    fn accept(self, value: Option<&str>) -> bool {
        match self {
            BuiltIn | Requested => value == Some("y"),
            Off => value != Some("y"),
            // A number that does not exist depends on an option that is a need itself.
            AtLeast(least) => {
                value.is_none_or(|value| value.parse().is_ok_and(|number: u64| number >= least))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest values that meet all needs.
    fn values() -> Values {
        let value = |need: &BootNeed| match need.wants {
            BuiltIn | Requested => Some("y".to_owned()),
            AtLeast(number) => Some(number.to_string()),
            Off => None,
        };
        NEEDS.iter().filter_map(|need| Some((need.symbol.to_owned(), value(need)?))).collect()
    }

    fn about_core_dumps() -> Claims {
        toml::from_str("[[claim]]\nthreads = 'io'\nshows = { core_bytes = 216 }\n").unwrap()
    }

    #[test]
    fn each_need_is_missed_when_it_is_not_met() {
        assert!(BootNeed::unmet(&values(), &about_core_dumps()).is_none());
        for need in &NEEDS {
            let mut values = values();
            let wrong = match need.wants {
                BuiltIn | Requested => "m",
                Off => "y",
                AtLeast(_) => "1",
            };
            values.insert(need.symbol.to_owned(), wrong.to_owned());
            let unmet = BootNeed::unmet(&values, &about_core_dumps()).map(|need| need.symbol);
            assert_eq!(unmet, Some(need.symbol));
        }
    }

    #[test]
    fn core_dumps_are_needed_only_if_the_series_claims_something_about_them() {
        let mut values = values();
        values.remove("COREDUMP");
        assert!(BootNeed::unmet(&values, &Claims::default()).is_none());
        assert_eq!(BootNeed::unmet(&values, &about_core_dumps()).unwrap().symbol, "COREDUMP");
    }
}
