//! Whole configurations: what a release lacks of them is listed, and refused only on request.

use std::fs;

use serde_json::Value;

use crate::support::fixtures::packages::Workspace;
use crate::support::output::{stderr, stdout};

const WHOLE: &str = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.5 Kernel Configuration\n#\n\
                     CONFIG_BY_THE_DISTRIBUTION=y\n";

#[test]
fn what_a_release_lacks_of_a_whole_configuration_is_listed() {
    let workspace = Workspace::new();
    // The tree's kconfig drops these.
    workspace.change_tree("lost", "NOTHING", "BY_THE_DISTRIBUTION\nON_TOP");
    let whole = format!("{}{WHOLE}", fs::read_to_string(workspace.path("mine.config")).unwrap());
    workspace.write("distro.config", whole.as_bytes());
    let tree = format!("dir:{}", workspace.tree.path().display());
    let configure = |more: &[&str]| {
        let own = ["configure", "--release", "6.1.5", "--source", &tree, "--series", "none", "--kconfig"];
        workspace.run(&[&own[..], more].concat())
    };

    let output = configure(&["./distro.config"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("1 options of the configuration do not apply to this release"), "{text}");
    let printed = stdout(&output);
    assert!(printed.lines().next().unwrap().ends_with("/.config"), "{printed}");
    assert!(printed.contains("CONFIG_BY_THE_DISTRIBUTION=y from ./distro.config"), "{printed}");
    let list = fs::read_to_string(workspace.path("dist/logs/configure-dropped.txt")).unwrap();
    assert!(list.contains("CONFIG_BY_THE_DISTRIBUTION=y"), "{list}");
    let report: Value =
        serde_json::from_slice(&fs::read(workspace.path("dist/report.json")).unwrap()).unwrap();
    assert_eq!(report["configuration"]["files"][0]["taken_for"], "whole");
    assert_eq!(report["configuration"]["dropped"][0]["symbol"], "BY_THE_DISTRIBUTION");
    let notes = report["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["text"].as_str().unwrap().contains("do not apply")), "{notes:?}");

    let output = configure(&["./distro.config", "--strict-kconfig"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("CONFIG_BY_THE_DISTRIBUTION=y"), "{}", stderr(&output));

    workspace.write("more.config", "CONFIG_ON_TOP=y\n");
    let output = configure(&["./distro.config,./more.config"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("CONFIG_ON_TOP=y from ./more.config"), "{}", stderr(&output));
}

#[test]
fn what_a_whole_configuration_turns_off_and_the_kernel_has_is_listed() {
    let workspace = Workspace::new();
    // The tree's kconfig turns this on.
    workspace.change_tree(
        "Makefile",
        "mv $(KCONFIG_CONFIG).tmp $(KCONFIG_CONFIG)",
        "sed 's/# CONFIG_CGROUPS is not set/CONFIG_CGROUPS=y/' $(KCONFIG_CONFIG).tmp >$(KCONFIG_CONFIG)",
    );
    let whole = WHOLE.replace("CONFIG_BY_THE_DISTRIBUTION=y", "# CONFIG_CGROUPS is not set");
    workspace.write("distro.config", whole.as_bytes());
    let tree = format!("dir:{}", workspace.tree.path().display());
    let output = workspace.run(&[
        "configure",
        "--release",
        "6.1.5",
        "--source",
        &tree,
        "--series",
        "none",
        "--kconfig",
        "./distro.config",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value =
        serde_json::from_slice(&fs::read(workspace.path("dist/report.json")).unwrap()).unwrap();
    let dropped = &report["configuration"]["dropped"][0];
    assert_eq!((&dropped["symbol"], &dropped["actual"]), (&"CGROUPS".into(), &"y".into()));
}

#[test]
fn a_whole_configuration_of_a_kernel_in_rust_does_not_ask_for_the_rust_tools() {
    let workspace = Workspace::new();
    workspace.write("distro.config", format!("{WHOLE}CONFIG_RUST=y\n").as_bytes());
    workspace.write("more.config", "CONFIG_RUST=y\n");
    let needs = |kconfig: &str| stdout(&workspace.run(&["doctor", "--kconfig", kconfig]));
    assert!(!needs("./distro.config").contains("rustc"), "{}", needs("./distro.config"));
    assert!(needs("./distro.config,./more.config").contains("rustc"), "{}", needs("./more.config"));
}

#[test]
fn a_configuration_of_another_architecture_is_refused_before_any_work() {
    let workspace = Workspace::new();
    workspace.write("arm.config", WHOLE.replace("Linux/x86", "Linux/arm64").as_bytes());
    let output = workspace.run(&["configure", "--release", "6.1.5", "--kconfig", "./arm.config"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("the kconfig ./arm.config is for arm64"), "{}", stderr(&output));
    assert!(!workspace.path("dist").exists());
}
