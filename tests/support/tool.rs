//! Runs the tool as a user does and reads its output directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::need::have;
use super::output::stderr;

/// The release line that the tests build.
pub const LINE: &str = "6.1.y";

/// Kconfig of a kernel with debug information and BTF that compiles in a minute.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kconfigs/types.config");

/// Kconfig of a kernel that compiles in a minute and whose headers have every host program of a module's build.
pub const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kconfigs/modules.config");

pub fn store() -> PathBuf {
    match std::env::var_os("KPATCH_BUILD_TEST_STORE") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-store"),
    }
}

/// Returns whether this machine has the programs for a build and a boot.
pub fn can_boot() -> bool {
    have(&["gcc", "make", "flex", "bison", "bc", "perl", "depmod", "qemu-system-x86_64"])
}

/// Returns a command that runs the tool with a store, and without debuggers unless `args` selects some: each debugger
/// adds seconds.
pub fn tool_in(store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
    command.arg("--store").arg(store).args(args);
    // Without a subcommand, the first argument is a flag.
    let boots =
        args.first().is_none_or(|first| first.starts_with("--") || ["boot", "compare"].contains(first));
    if boots && !args.contains(&"--debuggers") {
        command.args(["--debuggers", "none"]);
    }
    command
}

/// One finished run of the tool.
pub struct Run {
    pub out: tempfile::TempDir,
    pub output: Output,
}

impl Run {
    /// Runs the tool with a new output directory.
    pub fn new(args: &[&str]) -> Run {
        let out = tempfile::tempdir().unwrap();
        let output = tool_in(&store(), args).arg("--out").arg(out.path()).output().unwrap();
        eprintln!("$ kpatch-build {}\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        Run { out, output }
    }

    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub fn stderr(&self) -> String {
        stderr(&self.output)
    }

    pub fn report(&self) -> Value {
        read_report(self.out.path())
    }

    /// Returns the path of the package of that format and part.
    pub fn artifact(&self, kind: &str, part: &str) -> PathBuf {
        let report = self.report();
        let artifacts = report["artifacts"].as_array().unwrap();
        let found = artifacts.iter().find(|artifact| artifact["kind"] == kind && artifact["part"] == part);
        PathBuf::from(found.unwrap_or_else(|| panic!("no {kind} of {part}"))["path"].as_str().unwrap())
    }

    /// Asserts that the run succeeded.
    pub fn passed(self) -> Run {
        assert_eq!(self.code(), Some(0), "{}", self.stderr());
        self
    }
}

pub fn read_report(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}
