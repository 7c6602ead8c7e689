//! Requirements of a test on the machine. A missing program fails the test. With `KPATCH_BUILD_TEST_SKIP=1` the test
//! is skipped instead: the skip is printed even if the test harness captures output, and `tests/run` counts it.
//!
//! The unit tests share this file.

use std::fs::OpenOptions;
use std::io::Write;

/// Set to 1, skips a test instead of failing it.
const SKIP: &str = "KPATCH_BUILD_TEST_SKIP";
/// The file in which `tests/run` counts skips.
const SKIPS: &str = "KPATCH_BUILD_TEST_SKIPS";

/// Returns whether all these programs are in `PATH`. See [`present`].
pub fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| !is_installed(name)).copied().collect();
    present(&missing.join(", "), missing.is_empty())
}

/// Looks in `PATH` and in the directories that an unprivileged user's `PATH` lacks on Debian.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.any(|directory| directory.join(program).is_file())
}

/// Returns whether all these programs are in `PATH` and the test runs as root. See [`present`].
pub fn have_root(programs: &[&str]) -> bool {
    present("root", rustix::process::geteuid().is_root()) && have(programs)
}

/// Returns `is_there`: whether `what` is present and the test can continue. Panics if it is missing, unless a skip was
/// requested.
pub fn present(what: &str, is_there: bool) -> bool {
    if is_there {
        return true;
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(
        std::env::var_os(SKIP).is_some_and(|value| value == "1"),
        "{test} needs {what}, which this machine lacks; {SKIP}=1 skips such tests"
    );
    let line = format!("SKIPPED {test}: this machine lacks {what}\n");
    // Not eprint!, which the test harness captures.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os(SKIPS) {
        let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
    false
}
