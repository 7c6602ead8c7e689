//! A missing program fails a test; a requested skip is counted.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::need::have;
use crate::support::output::text;

/// Set in the process that requires the missing program.
const INSIDE: &str = "KPATCH_BUILD_TEST_SKIPS_INSIDE";

/// Runs this test in another process, in which the test needs a program that no machine has.
fn run(skip: Option<&str>, counted: &Path) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["skips::a_missing_program_fails_a_test_unless_a_skip_is_requested", "--exact"]);
    command.env_remove("KPATCH_BUILD_TEST_SKIP").env(INSIDE, "1").env("KPATCH_BUILD_TEST_SKIPS", counted);
    if let Some(skip) = skip {
        command.env("KPATCH_BUILD_TEST_SKIP", skip);
    }
    command.output().unwrap()
}

#[test]
fn a_missing_program_fails_a_test_unless_a_skip_is_requested() {
    if std::env::var_os(INSIDE).is_some() {
        assert!(!have(&["sh", "no-machine-has-this"]));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let counted = dir.path().join("skips");
    for refused in [None, Some("0")] {
        let failed = run(refused, &counted);
        assert!(
            !failed.status.success() && text(&failed).contains("no-machine-has-this"),
            "{}",
            text(&failed)
        );
        assert!(!counted.exists());
    }
    for number in 1..=2 {
        let skipped = run(Some("1"), &counted);
        assert!(skipped.status.success() && text(&skipped).contains("\nSKIPPED "), "{}", text(&skipped));
        let lines = std::fs::read_to_string(&counted).unwrap();
        assert_eq!(lines.lines().filter(|line| line.ends_with("lacks no-machine-has-this")).count(), number);
    }
}
