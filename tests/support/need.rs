//! What a test needs of the machine. A missing program fails the test; `KPATCH_BUILD_TEST_SKIP=1` requests a skip
//! instead, which is shown even where the test harness captures output, and counted by `tests/run`.
//!
//! The unit tests share this file.

use std::fs::OpenOptions;
use std::io::Write;

/// Switches from failing to skipping.
const SKIP: &str = "KPATCH_BUILD_TEST_SKIP";
/// Names the file that `tests/run` counts skips in.
const SKIPS: &str = "KPATCH_BUILD_TEST_SKIPS";

/// Whether all these programs are in `PATH`, so that the test can go on.
pub fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| !is_installed(name)).copied().collect();
    present(&missing.join(", "), missing.is_empty())
}

/// In `PATH`, or where Debian has the programs that an ordinary user's `PATH` leaves out.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).any(|candidate| candidate.is_file())
}

/// Whether all these programs are in `PATH` and the test runs as root.
pub fn have_root(programs: &[&str]) -> bool {
    present("root", rustix::process::geteuid().is_root()) && have(programs)
}

/// Whether `what` is there, so that the test can go on. Panics if it is not, unless a skip was requested.
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
