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
