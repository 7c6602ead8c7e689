//! The shipped kconfigs against real kernel trees, and the configurations of distributions.
//! `KPATCH_BUILD_TEST_CONFIGS` names a directory of further configurations, for kernels near 6.1.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kpatch_build::base::error::Explain;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::configure::{Error, configure};

use crate::support::fixtures::stages::Fixture;
use crate::support::kernel;
use crate::support::need::present;
use crate::support::tool::{LINE, Run, can_boot};

const CONFIGS: &str = "KPATCH_BUILD_TEST_CONFIGS";

#[test]
fn real_shipped_kconfigs_lose_no_option_on_any_line() {
    if !can_boot() {
        return;
    }
    let mut losses = Vec::new();
    for tree in kernel::trees() {
        for names in [&["boot"][..], &["boot", "debug"], &["cloud"]] {
            let fixture = Fixture::new(&tree);
            let plan = fixture.plan(names, 1);
            match configure(&fixture.cx, &plan, &fixture.patched()) {
                Ok(_) => {}
                Err(Error::Lost { lost }) => {
                    losses.extend(lost.iter().map(|lost| format!("{}: {lost}", fixture.release)));
                }
                Err(error) => panic!("{names:?}: {error:?}\n{}", fixture.log("configure")),
            }
        }
    }
    assert!(losses.is_empty(), "{}", losses.join("\n"));
}

#[test]
fn real_a_lost_option_is_named_with_the_dependency_that_is_off() {
    if !can_boot() {
        return;
    }
    for tree in kernel::trees() {
        let fixture = Fixture::new(&tree);
        let fragment = fixture.file("off.config", "# CONFIG_CGROUPS is not set\n");
        let mut plan = fixture.plan(&["boot"], 1);
        plan.kconfig = Kconfig::load(&["boot".to_owned(), fragment]).unwrap();
        let error = configure(&fixture.cx, &plan, &fixture.patched()).unwrap_err();
        assert_eq!(error.exit() as u8, 3);
        let text = error.to_string();
        assert!(text.starts_with("CONFIG_CGROUP_FREEZER=y from boot, line "), "{text}");
        assert!(text.contains("is not set: it depends on CGROUPS, which is n by "), "{text}");
        assert!(text.contains("init/Kconfig:"), "{text}");
    }
}

/// The value of each option that the text mentions; `n` for an option that is off, and for an empty string.
fn values(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| match line.strip_prefix("# CONFIG_") {
            Some(off) => Some((off.strip_suffix(" is not set")?, "n")),
            None => line.strip_prefix("CONFIG_")?.split_once('='),
        })
        .map(|(symbol, value)| (symbol, if value == "\"\"" { "n" } else { value }))
        .collect()
}

#[test]
fn real_each_difference_from_debians_configuration_is_in_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let Some(packed) = can_boot().then(|| kernel::debians_configuration(dir.path())).flatten() else {
        return;
    };
    let name = packed.to_str().unwrap();
    let report = Run::new(&["configure", "--release", LINE, "--series", "none", "--kconfig", name]);
    let report = report.passed().report();
    assert_eq!(report["configuration"]["files"][0]["taken_for"], "whole");

    let unpacked = Command::new("xz").args(["-dc", name]).output().unwrap();
    let wanted = String::from_utf8(unpacked.stdout).unwrap();
    let finished = fs::read_to_string(report["configuration"]["config"].as_str().unwrap()).unwrap();
    let (wanted, finished) = (values(&wanted), values(&finished));
    let differs = |symbol: &str| wanted.get(symbol).unwrap_or(&"n") != finished.get(symbol).unwrap_or(&"n");
    let reported: BTreeMap<_, _> = report["configuration"]["dropped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|option| (option["symbol"].as_str().unwrap(), option))
        .collect();
    // What kpatch-build itself sets, such as the local version, is noted.
    let notes: Vec<_> =
        report["notes"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap()).collect();
    let is_noted = |symbol: &str| {
        notes.iter().any(|note| {
            note.contains("kpatch-build")
                && note.contains(" override")
                && note.contains(&format!("CONFIG_{symbol}="))
        })
    };

    let unreported: Vec<_> = wanted
        .keys()
        .filter(|symbol| differs(symbol) && !reported.contains_key(**symbol) && !is_noted(symbol))
        .collect();
    assert!(unreported.is_empty(), "differ without a word: {unreported:?}");
    for (symbol, option) in &reported {
        assert!(differs(symbol), "{option} is as the file says");
        let actual = option["actual"].as_str().unwrap();
        assert_eq!(actual, finished.get(symbol).copied().unwrap_or("n"), "{option}");
        assert!(!option["reason"].as_str().unwrap().is_empty(), "{option}");
    }
    // Debian's patches make this option a module, which upstream it cannot be.
    assert_eq!(reported["ANDROID_BINDER_IPC"]["reason"], "it is y or n, never a module");
    assert!(reported.len() < wanted.len() / 100, "{} of {}", reported.len(), wanted.len());
    // Only what the file does not know is on without its word: new options of this release.
    let new: BTreeSet<_> = finished.keys().filter(|symbol| !wanted.contains_key(**symbol)).collect();
    eprintln!("{} options differ, {} are new: {new:?}", reported.len(), new.len());
    assert!(new.len() < wanted.len() / 100, "{} new options", new.len());
}

#[test]
fn real_the_configurations_of_other_distributions_configure() {
    let folder = std::env::var_os(CONFIGS);
    if !can_boot() || !present("KPATCH_BUILD_TEST_CONFIGS, a directory of configurations", folder.is_some()) {
        return;
    }
    let mut files: Vec<_> =
        fs::read_dir(folder.unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    assert!(!files.is_empty(), "{CONFIGS} has no files");
    let configure = |file: &PathBuf| {
        Run::new(&["configure", "--release", LINE, "--series", "none", "--kconfig", file.to_str().unwrap()])
    };
    let failed: Vec<_> = files
        .iter()
        .map(|file| (file, configure(file)))
        .filter(|(_, run)| run.code() != Some(0))
        .map(|(file, run)| format!("{}: {:?}\n{}", file.display(), run.code(), run.stderr()))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
