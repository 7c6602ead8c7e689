//! `doctor` tells what a host lacks from what it cannot find out, and from what is of no use.

use std::process::{Command, Output};

use crate::support::fixtures::write_program;
use crate::support::output::{stderr, stdout};

const TOOL: &str = env!("CARGO_BIN_EXE_kpatch-build");

/// Runs `doctor` with this compiler and these variables, in an empty directory.
fn doctor(cc: &str, variables: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(TOOL);
    command.args(["doctor", "--store", "store", "--cc", cc]).current_dir(dir.path());
    command.envs(variables.iter().copied()).output().unwrap()
}

/// The state of each need whose line contains `what`.
fn states(output: &Output, what: &str) -> Vec<String> {
    let text = stdout(output);
    let lines = text.lines().filter(|line| line.contains(what));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn without_the_compiler_its_own_package_is_named_and_no_header_is_missing() {
    let output = doctor("gcc-99", &[]);
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(states(&output, "C compiler gcc-99"), ["MISSING"]);
    assert_eq!(states(&output, "libelf headers"), ["ok"]);
    assert_eq!(states(&output, "32-bit"), ["unknown"]);
    let error = stderr(&output);
    assert!(error.contains("missing on this host: C compiler gcc-99\n"), "{error}");
    assert!(error.contains("gcc-99 libc6-dev`"), "{error}");
}

#[test]
fn a_program_that_is_no_compiler_is_named_as_such() {
    let output = doctor("/bin/ls", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(states(&output, "C compiler"), ["UNUSABLE"]);
    assert_eq!(states(&output, "libelf headers"), ["ok"]);
    assert!(stderr(&output).contains("/bin/ls is neither gcc nor clang"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("apt-get"), "{}", stderr(&output));
}

#[test]
fn a_compiler_that_cannot_compile_is_shown_with_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let cc = dir.path().join("gcc");
    write_program(&cc, "case $1 in -S) echo 'no licence found' >&2; exit 1;; esac; exec gcc \"$@\"");
    let output = doctor(cc.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(69));
    let error = stderr(&output);
    assert!(error.contains("cannot compile an empty file") && error.contains("no licence found"), "{error}");
    assert!(error.contains("next: make `"), "{error}");
}

#[test]
fn a_missing_directory_for_temporary_files_is_no_missing_header() {
    let output = doctor("gcc", &[("TMPDIR", "/no/such/directory")]);
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(states(&output, "libelf headers"), ["ok"]);
    assert_eq!(states(&output, "TMPDIR"), ["UNUSABLE"]);
    let error = stderr(&output);
    assert!(error.contains("cannot write to /no/such/directory"), "{error}");
    assert!(error.contains("next: set TMPDIR to a directory"), "{error}");
}

#[test]
fn a_command_line_is_refused_as_compiler() {
    let output = doctor("ccache gcc", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--cc /usr/lib/ccache/gcc"), "{}", stderr(&output));
}
