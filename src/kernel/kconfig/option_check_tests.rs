use super::*;
use crate::kernel::kconfig::options::Base;

const TREE: &str = "\
config EXPERT\n\tbool \"expert\"\n\
config CGROUPS\n\tbool \"cgroups\"\n\tdepends on KERNFS\n\
config KERNFS\n\tbool \"kernfs\"\n\
if CGROUPS\nconfig FREEZER\n\tbool \"freezer\"\nendif\n\
config HIDDEN\n\tbool\n\
config TUNED\n\tbool \"tuned\" if EXPERT\n\
config ASM\n\tbool \"asm\"\n\tdepends on $(as-instr,foo)\n\
config FORCE\n\tbool \"force\"\n\tselect FORCED if EXPERT\n\
config FORCED\n\tbool \"forced\"\n\
choice\nconfig ONE\n\tbool \"one\"\nconfig TWO\n\tbool \"two\"\nendchoice\n";

fn requested(value: &str) -> RequestedOption {
    RequestedOption { value: value.into(), optional: false, generated: false, from: "mine".into(), line: 4 }
}

const TYPES: &str = "
config CPUS
\tint \"cpus\"
\trange 2 512
config BASE
\thex \"base\"
\trange 0x1000 0x8000
config SMP
\tbool \"smp\"
config WATCH
\ttristate \"watch\"
config HOST
\tstring \"host\"
config LEAST
\tint
config MOST
\tint
config BETWEEN
\tint \"between\"
\trange LEAST MOST
config PLUGINS
\tbool \"plugins\"
\tdepends on $(success,test -e $(shell,$(CC) -print-file-name=plugin)/include/plugin-version.h)
config STACKLEAK
\tbool \"stackleak\"
\tdepends on PLUGINS
";

fn comparison(requests: &[(&str, RequestedOption)], config: &str) -> Comparison {
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("Kconfig"), format!("{TREE}{TYPES}")).unwrap();
    let options = requests.iter().map(|(symbol, option)| (symbol.to_string(), option.clone())).collect();
    let kconfig = Kconfig { base: Base::Default, options, ..Kconfig::default() };
    compare(&kconfig, &values(config), tree.path())
}

fn loss(requests: &[(&str, RequestedOption)], config: &str) -> String {
    let comparison = comparison(requests, config);
    assert_eq!(comparison.lost.len(), 1, "{:?}", comparison.lost);
    comparison.lost[0].to_string()
}

#[test]
fn an_option_without_its_dependency_is_reported_with_it() {
    assert_eq!(
        loss(&[("FREEZER", requested("y"))], "CONFIG_KERNFS=y"),
        "CONFIG_FREEZER=y from mine, line 4 is not set: it depends on CGROUPS, which is n (Kconfig:8)"
    );
}

#[test]
fn the_fragment_that_turned_the_dependency_off_is_named() {
    let text = loss(&[("FREEZER", requested("y")), ("CGROUPS", requested("n"))], "CONFIG_KERNFS=y");
    assert!(text.contains("CGROUPS, which is n by mine, line 4 (Kconfig:8)"), "{text}");
}

#[test]
fn the_cause_of_the_cause_is_named() {
    let text = loss(&[("FREEZER", requested("y"))], "");
    assert!(
        text.contains("CGROUPS, which is n because it depends on KERNFS, which is n (Kconfig:5)"),
        "{text}"
    );
}

#[test]
fn an_option_that_the_release_lacks_is_reported_as_such() {
    assert_eq!(
        loss(&[("NEWER", requested("y"))], ""),
        "CONFIG_NEWER=y from mine, line 4 does not exist in this release"
    );
}

#[test]
fn other_reasons_are_distinguished() {
    for (symbol, value, config, part) in [
        ("HIDDEN", "y", "", "it has no prompt"),
        ("TUNED", "n", "CONFIG_TUNED=y", "it can be set only with EXPERT, which is n"),
        ("ASM", "y", "", "$(as-instr,foo), which this compiler or host does not meet"),
        ("FORCED", "n", "CONFIG_FORCED=y\nCONFIG_FORCE=y\nCONFIG_EXPERT=y", "selected by FORCE (Kconfig:21)"),
        ("ONE", "y", "CONFIG_TWO=y", "CONFIG_TWO=y of the same choice is on"),
        ("FORCE", "y", "", "kconfig did not accept the value"),
    ] {
        let text = loss(&[(symbol, requested(value))], config);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn an_optional_option_may_vanish_with_a_note() {
    let comparison = comparison(&[("FREEZER", RequestedOption { optional: true, ..requested("y") })], "");
    assert!(comparison.lost.is_empty());
    assert!(comparison.notes[0].starts_with("optional CONFIG_FREEZER=y"), "{:?}", comparison.notes);
}

#[test]
fn a_module_may_be_built_in_but_not_the_other_way_round() {
    assert!(comparison(&[("FORCE", requested("m"))], "CONFIG_FORCE=y").lost.is_empty());
    assert_eq!(comparison(&[("FORCE", requested("y"))], "CONFIG_FORCE=m").lost.len(), 1);
}

#[test]
fn numbers_and_strings_are_compared_by_value() {
    let config = "CONFIG_FORCE=0x1000\nCONFIG_ASM=\"a\"";
    assert!(
        comparison(&[("FORCE", requested("0X1000")), ("HIDDEN", requested("\"\""))], config).lost.is_empty()
    );
    assert_eq!(comparison(&[("ASM", requested("\"b\""))], config).lost.len(), 1);
}

#[test]
fn every_difference_from_a_whole_configuration_is_listed_and_none_fails_the_run() {
    let generated = |value| RequestedOption { generated: true, ..requested(value) };
    let comparison = comparison(
        &[
            ("HIDDEN", generated("y")),
            ("OLDER", generated("y")),
            ("ONE", generated("n")),
            ("FREEZER", generated("y")),
            ("FORCED", generated("m")),
            ("EXPERT", generated("y")),
        ],
        "CONFIG_ONE=y\nCONFIG_FORCED=y\nCONFIG_FORCE=y\nCONFIG_EXPERT=y",
    );
    let symbols: Vec<_> = comparison.dropped.iter().map(|lost| lost.symbol.as_str()).collect();
    assert_eq!(symbols, ["FORCED", "FREEZER", "HIDDEN", "OLDER", "ONE"]);
    assert_eq!((comparison.lost, comparison.notes), (vec![], vec![]));
    assert!(comparison.dropped[0].to_string().ends_with("became y: it is selected by FORCE (Kconfig:21)"));
}

#[test]
fn a_strict_request_holds_a_whole_configuration_to_every_line() {
    let mut kconfig = Kconfig { strict: true, ..Kconfig::default() };
    kconfig.options.insert("OLDER".into(), RequestedOption { generated: true, ..requested("y") });
    let comparison = compare(&kconfig, &values(""), tempfile::tempdir().unwrap().path());
    assert_eq!((comparison.lost.len(), comparison.dropped.len()), (1, 0));
    // What has no prompt follows from the lines that have one.
    kconfig.options = [("HIDDEN", "y"), ("ONE", "n"), ("FORCED", "m")]
        .map(|(symbol, value)| (symbol.to_owned(), RequestedOption { generated: true, ..requested(value) }))
        .into();
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("Kconfig"), TREE).unwrap();
    let comparison = compare(&kconfig, &values("CONFIG_ONE=y\nCONFIG_FORCED=y"), tree.path());
    assert_eq!(comparison.lost.iter().map(|lost| lost.symbol.as_str()).collect::<Vec<_>>(), ["ONE"]);
    assert_eq!(comparison.dropped.len(), 2);
}

#[test]
fn a_refused_value_says_what_the_option_takes_and_what_to_write() {
    for (symbol, value, reason, next) in [
        ("CPUS", "99999", "it must be from 2 to 512", "choose a value from 2 to 512"),
        ("CPUS", "many", "it is a decimal number", "write CONFIG_CPUS as a decimal number"),
        ("BASE", "0xfffff", "it must be from 0x1000 to 0x8000", "choose a value from 0x1000 to 0x8000"),
        ("BASE", "zz", "it is a hexadecimal number", "write CONFIG_BASE as a hexadecimal number"),
        ("SMP", "m", "it is y or n, never a module", "write CONFIG_SMP=y"),
        ("SMP", "\"y\"", "it is y or n, in lower case and without quotes", "write CONFIG_SMP=y"),
        ("SMP", "on", "it is y or n", "write CONFIG_SMP=y or CONFIG_SMP=n"),
        ("WATCH", "M", "it is y, m or n, in lower case and without quotes", "write CONFIG_WATCH=m"),
        ("HOST", "foo", "it is a string: write \"foo\"", "write CONFIG_HOST=\"foo\""),
        ("smp", "y", "does not exist in this release; CONFIG_SMP does", "write CONFIG_SMP if"),
        ("WATCHH", "y", "does not exist in this release; CONFIG_WATCH does", "write CONFIG_WATCH if"),
    ] {
        let comparison = comparison(&[(symbol, requested(value))], "");
        let lost = comparison.lost.first().unwrap_or_else(|| panic!("{symbol}={value} is taken"));
        assert!(lost.to_string().contains(reason), "{symbol}={value}: {lost}");
        assert!(lost.next_step().starts_with(next), "{symbol}={value}: {}", lost.next_step());
    }
}

#[test]
fn a_range_between_two_options_is_told_in_numbers() {
    let text = loss(&[("BETWEEN", requested("9"))], "CONFIG_LEAST=2\nCONFIG_MOST=8\nCONFIG_BETWEEN=8");
    assert!(text.ends_with("became 8: it must be from 2 to 8"), "{text}");
}

#[test]
fn only_a_lack_of_dependencies_is_answered_with_a_request_for_them() {
    let config = "CONFIG_TWO=y\nCONFIG_GCC_VERSION=120200";
    for (symbol, value, next) in [
        ("FREEZER", "y", "request its dependencies too"),
        ("TUNED", "y", "request its dependencies too"),
        ("HIDDEN", "y", "request an option that sets it"),
        ("ONE", "y", "remove CONFIG_TWO=y, or this option"),
        ("ABSENT", "y", "remove the option"),
        ("ASM", "y", "use another compiler (--cc)"),
        ("PLUGINS", "y", "install gcc-12-plugin-dev "),
        ("STACKLEAK", "y", "install gcc-12-plugin-dev "),
    ] {
        let comparison = comparison(&[(symbol, requested(value))], config);
        let lost = comparison.lost.first().unwrap_or_else(|| panic!("{symbol}={value} is taken"));
        assert!(lost.next_step().starts_with(next), "{lost}: {}", lost.next_step());
    }
    let selected = "CONFIG_FORCED=y\nCONFIG_FORCE=y\nCONFIG_EXPERT=y";
    let next = comparison(&[("FORCED", requested("n"))], selected).lost[0].next_step();
    assert!(next.starts_with("turn off what selects it"), "{next}");
    let chosen = &comparison(&[("ONE", requested("n"))], "CONFIG_ONE=y").lost[0];
    assert!(chosen.to_string().ends_with("became y: one option of its choice must be on, and no other is"));
    assert!(chosen.next_step().starts_with("request another option of its choice"));
    let text = loss(&[("PLUGINS", requested("y"))], config);
    assert!(
        text.contains("it depends on the headers of gcc's plugins, which this host lacks (Kconfig:"),
        "{text}"
    );
}

#[test]
fn an_option_of_a_shipped_kconfig_keeps_its_own_advice() {
    let lost = |reason| LostOption {
        symbol: "MODULES".into(),
        request: "CONFIG_MODULES=y from boot, line 9".into(),
        shipped: Some("boot".into()),
        actual: "n".into(),
        reason,
    };
    let next = lost(Reason::Depends(vec!["A".into()])).next_step();
    assert!(next.starts_with("your options exclude what the kconfig boot needs"), "{next}");
    let next = lost(Reason::Host(vec!["A".into()], HostLack::GccPlugins(None))).next_step();
    assert!(next.starts_with("install gcc-N-plugin-dev"), "{next}");
}
