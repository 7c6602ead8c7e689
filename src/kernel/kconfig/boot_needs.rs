//! What the boot test needs of a configuration, held against the request and against the finished `.config`.

use super::error::{Error, UnmetNeed};
use super::expression::Values;
use super::options::Kconfig;
use crate::base::release::Line;
use crate::claims::{Claims, needs_observation};

/// What the boot test needs of one option.
struct BootNeed {
    /// Without `CONFIG_`.
    symbol: &'static str,
    fit: Fit,
    /// Follows "the boot test needs CONFIG_X=y: ".
    why: &'static str,
    /// The prefix of the claims that need the option; `None` for a need of every boot test.
    claims: Option<&'static str>,
    /// Only `EXPERT` shows the prompt: without it, `allnoconfig` leaves the option on.
    only_expert: bool,
}

/// The values that fit.
enum Fit {
    BuiltIn,
    Off,
    AtLeast(u64),
}

/// Number of serial ports of the guest.
const PORTS: u64 = 2;
const FREEZE: Option<&str> = Some("freezes");
const CORE: Option<&str> = Some("core_");

#[rustfmt::skip]
const BOOT_NEEDS: [BootNeed; 14] = [
    built_in("BLK_DEV_INITRD", "the kernel starts the probe from an initramfs"),
    built_in("BINFMT_ELF", "the probe is an ELF program"),
    built_in("SERIAL_8250_CONSOLE", "the first serial port carries the kernel's messages"),
    at_least("SERIAL_8250_NR_UARTS", "the second serial port carries the probe's records"),
    at_least("SERIAL_8250_RUNTIME_UARTS", "the second serial port carries the probe's records"),
    BootNeed { symbol: "CMDLINE_OVERRIDE", fit: Fit::Off, ..built_in("", "the kernel must accept the command line of the test") },
    expert("PRINTK", "the kernel's messages show whether it complains", None),
    expert("PROC_FS", "the probe reads the state of threads below /proc", None),
    expert("IO_URING", "the probe observes io_uring's threads", None),
    BootNeed { claims: FREEZE, ..built_in("CGROUPS", "the series makes claims about frozen threads") },
    BootNeed { claims: FREEZE, ..built_in("CGROUP_FREEZER", "the series makes claims about frozen threads") },
    expert("COREDUMP", "the series makes claims about core dumps", CORE),
    expert("ELF_CORE", "the series makes claims about core dumps", CORE),
    expert("PROC_SYSCTL", "the series makes claims about core dumps, and /proc/sys sets where they go", CORE),
];

const fn built_in(symbol: &'static str, why: &'static str) -> BootNeed {
    BootNeed { symbol, fit: Fit::BuiltIn, why, claims: None, only_expert: false }
}

const fn expert(symbol: &'static str, why: &'static str, claims: Option<&'static str>) -> BootNeed {
    BootNeed { symbol, fit: Fit::BuiltIn, why, claims, only_expert: true }
}

const fn at_least(symbol: &'static str, why: &'static str) -> BootNeed {
    BootNeed { symbol, fit: Fit::AtLeast(PORTS), why, claims: None, only_expert: false }
}

/// The claims that a boot test judges.
#[derive(Clone, Copy, Debug)]
pub struct BootClaims<'a> {
    /// The claims of the series.
    pub series: &'a Claims,
    /// The release line of the kernel.
    pub line: Line,
}

/// Refuses a request for a kernel that cannot be boot-tested, as far as its options show. `claims` is `None` while the
/// series or the release is unknown.
///
/// # Errors
/// [`Error::NotBootTestable`].
pub fn check_boot_testable(kconfig: &Kconfig, claims: Option<BootClaims>) -> Result<(), Error> {
    let value = |symbol: &str| kconfig.options.get(symbol).map(|option| option.value.as_str());
    let is_off = |need: &BootNeed| kconfig.is_minimal() && (!need.only_expert || kconfig.requests("EXPERT"));
    check(claims, kconfig.requests("IA32_EMULATION"), |need| match (value(need.symbol), &need.fit) {
        (Some(value), _) => Some(value.to_owned()),
        // The default of a number fits.
        (None, Fit::BuiltIn) => is_off(need).then(|| "n".to_owned()),
        (None, _) => None,
    })
}

/// Refuses a finished `.config` whose kernel cannot be boot-tested. `values` are those of the `.config`.
///
/// # Errors
/// [`Error::NotBootTestable`].
pub(crate) fn check_boot_config(values: &Values, claims: BootClaims) -> Result<(), Error> {
    let value = |symbol: &str| values.get(symbol).cloned().unwrap_or_else(|| "n".to_owned());
    check(Some(claims), value("IA32_EMULATION") == "y", |need| Some(value(need.symbol)))
}

/// `found` returns the value of the option, `None` if it is not known yet.
fn check(
    claims: Option<BootClaims>,
    ia32: bool,
    found: impl Fn(&BootNeed) -> Option<String>,
) -> Result<(), Error> {
    let is_made =
        |prefix| claims.is_some_and(|claims| needs_observation(claims.series, prefix, claims.line, ia32));
    let unmet: Vec<_> = BOOT_NEEDS
        .iter()
        .filter(|need| need.claims.is_none_or(is_made))
        .filter_map(|need| need.unmet(found(need)?))
        .collect();
    match unmet.is_empty() {
        true => Ok(()),
        false => Err(Error::NotBootTestable { unmet }),
    }
}

impl BootNeed {
    fn unmet(&self, found: String) -> Option<UnmetNeed> {
        let (is_met, wanted) = match self.fit {
            Fit::BuiltIn => (found == "y", "y"),
            Fit::Off => (found == "n", "n"),
            // Kconfig's own default.
            Fit::AtLeast(least) => (found.parse().is_ok_and(|number: u64| number >= least), "4"),
        };
        (!is_met).then_some(UnmetNeed { symbol: self.symbol, found, wanted, why: self.why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Explain;
    use crate::kernel::kconfig::option_check::values;
    use crate::kernel::kconfig::options::{Base, RequestedOption};

    const ENOUGH: &str = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_SERIAL_8250_CONSOLE=y\n\
        CONFIG_SERIAL_8250_NR_UARTS=4\nCONFIG_SERIAL_8250_RUNTIME_UARTS=4\nCONFIG_PRINTK=y\nCONFIG_PROC_FS=y\n\
        CONFIG_IO_URING=y\nCONFIG_CGROUPS=y\nCONFIG_CGROUP_FREEZER=y\nCONFIG_COREDUMP=y\nCONFIG_ELF_CORE=y\n\
        CONFIG_PROC_SYSCTL=y\n";

    fn claims(text: &str) -> Claims {
        toml::from_str(text).unwrap()
    }

    fn of_cores() -> Claims {
        claims("[[claim]]\nthreads = \"io\"\nlines = [\"6.1\"]\nshows = { core_cs = \"0x33\" }\n")
    }

    fn unmet(result: Result<(), Error>) -> Vec<String> {
        match result {
            Ok(()) => Vec::new(),
            Err(Error::NotBootTestable { unmet }) => {
                unmet.iter().map(|need| need.symbol.to_owned()).collect()
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn of_config(text: &str, series: &Claims, line: Line) -> Vec<String> {
        unmet(check_boot_config(&values(text), BootClaims { series, line }))
    }

    fn request(base: Base, options: &[(&str, &str)]) -> Kconfig {
        let option = |value: &str| RequestedOption {
            value: value.to_owned(),
            optional: false,
            generated: false,
            from: "mine".to_owned(),
            line: 1,
        };
        let options = options.iter().map(|(symbol, value)| (symbol.to_string(), option(value))).collect();
        Kconfig { base, options, ..Kconfig::default() }
    }

    const LINE: Line = Line::new(6, 1);

    #[test]
    fn each_need_is_missed_in_a_configuration_that_does_not_meet_it() {
        let cores = of_cores();
        assert_eq!(of_config(ENOUGH, &cores, LINE), Vec::<String>::new());
        for need in &BOOT_NEEDS {
            let symbol = need.symbol;
            let unfit = match need.fit {
                Fit::BuiltIn => ENOUGH.replace(&format!("CONFIG_{symbol}=y\n"), ""),
                Fit::Off => format!("{ENOUGH}CONFIG_{symbol}=y\n"),
                Fit::AtLeast(_) => ENOUGH.replace(&format!("{symbol}=4"), &format!("{symbol}=1")),
            };
            assert_eq!(of_config(&unfit, &cores, LINE), [symbol]);
        }
    }

    #[test]
    fn a_module_is_not_built_in() {
        let text = ENOUGH.replace("SERIAL_8250_CONSOLE=y", "SERIAL_8250_CONSOLE=m");
        assert_eq!(of_config(&text, &Claims::default(), LINE), ["SERIAL_8250_CONSOLE"]);
    }

    #[test]
    fn what_only_claims_need_is_needed_only_with_such_claims() {
        let text = ENOUGH.replace("CONFIG_COREDUMP=y\n", "");
        assert_eq!(of_config(&text, &Claims::default(), LINE), Vec::<String>::new());
        assert_eq!(of_config(&text, &of_cores(), LINE), ["COREDUMP"]);
        assert_eq!(of_config(&text, &of_cores(), Line::new(6, 12)), Vec::<String>::new(), "of 6.1 alone");
        let of_32_bits = claims("[[claim]]\nthreads = \"io\"\ntracee = 32\nshows = { core_cs = \"0x23\" }\n");
        assert_eq!(of_config(&text, &of_32_bits, LINE), Vec::<String>::new(), "without 32-bit emulation");
        assert_eq!(of_config(&format!("{text}CONFIG_IA32_EMULATION=y\n"), &of_32_bits, LINE), ["COREDUMP"]);
        let unseen = claims("[[claim]]\nthreads = \"io\"\nshows = { core_cs = \"unseen\" }\n");
        assert_eq!(of_config(&text, &unseen, LINE), Vec::<String>::new());
    }

    #[test]
    fn every_series_claims_that_threads_freeze_unless_it_replaces_that() {
        let text = ENOUGH.replace("CONFIG_CGROUP_FREEZER=y\n", "");
        assert_eq!(of_config(&text, &Claims::default(), LINE), ["CGROUP_FREEZER"]);
        let claim =
            |threads| format!("[[claim]]\nthreads = \"{threads}\"\nshows = {{ freezes = \"unseen\" }}\n");
        let replaced = claims(&(claim("io") + &claim("leader")));
        assert_eq!(of_config(&text, &replaced, LINE), Vec::<String>::new());
    }

    #[test]
    fn a_request_that_excludes_the_boot_test_is_refused() {
        for (symbol, value) in [
            ("BLK_DEV_INITRD", "n"),
            ("SERIAL_8250_CONSOLE", "m"),
            ("SERIAL_8250_NR_UARTS", "1"),
            ("SERIAL_8250_RUNTIME_UARTS", "0"),
            ("CMDLINE_OVERRIDE", "y"),
            ("PRINTK", "n"),
        ] {
            assert_eq!(
                unmet(check_boot_testable(&request(Base::Default, &[(symbol, value)]), None)),
                [symbol]
            );
        }
        for options in [&[("SERIAL_8250_NR_UARTS", "2"), ("CMDLINE_OVERRIDE", "n")][..], &[]] {
            check_boot_testable(&request(Base::Default, options), None).unwrap();
        }
        let off = request(Base::Default, &[("COREDUMP", "n"), ("CGROUPS", "n")]);
        check_boot_testable(&off, None).unwrap();
        let (cores, line) = (of_cores(), LINE);
        let claims = BootClaims { series: &cores, line };
        assert_eq!(unmet(check_boot_testable(&off, Some(claims))), ["CGROUPS", "COREDUMP"]);
    }

    #[test]
    fn a_minimal_request_must_have_what_is_off_by_default() {
        let minimal = request(Base::AllNoConfig, &[("BLK_DEV_INITRD", "y")]);
        assert_eq!(unmet(check_boot_testable(&minimal, None)), ["BINFMT_ELF", "SERIAL_8250_CONSOLE"]);
        let expert = request(Base::AllNoConfig, &[("BLK_DEV_INITRD", "y"), ("EXPERT", "y")]);
        let missing = ["BINFMT_ELF", "SERIAL_8250_CONSOLE", "PRINTK", "PROC_FS", "IO_URING"];
        assert_eq!(unmet(check_boot_testable(&expert, None)), missing);
    }

    #[test]
    fn a_refusal_has_option_reason_and_next_step() {
        let unfit = request(Base::Default, &[("SERIAL_8250_NR_UARTS", "1"), ("CMDLINE_OVERRIDE", "y")]);
        let error = check_boot_testable(&unfit, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this kconfig cannot be boot-tested: CONFIG_SERIAL_8250_NR_UARTS is 1, but the second serial port \
             carries the probe's records"
        );
        assert_eq!(
            error.facts(),
            ["CONFIG_CMDLINE_OVERRIDE is y, but the kernel must accept the command line of the test"]
        );
        assert_eq!(
            error.next_step().unwrap(),
            "set CONFIG_SERIAL_8250_NR_UARTS=4 and CONFIG_CMDLINE_OVERRIDE=n, or skip the boot test with --no-boot"
        );
    }
}
