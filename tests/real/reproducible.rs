//! The same plan gives the same packages in any environment.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::need::have;
use crate::support::tool::{LINE, Run, TYPES, can_boot, store};

/// Builds image, headers and debug information with BTF twice. The first run uses the shared store and two jobs. The
/// second run is `reproduce` with one job and an empty store: later, in another directory, and with another umask,
/// home, time zone and language.
#[test]
fn packages_are_bit_identical_in_another_directory_later_with_other_jobs_and_from_an_empty_store() {
    if !can_boot() || !have(&["pahole"]) {
        return;
    }
    let args = [
        "package",
        "--release",
        LINE,
        "--kconfig",
        TYPES,
        "--packages",
        "image,headers,debug",
        "--jobs",
        "2",
    ];
    let first = Run::new(&args).passed();
    let report = first.out.path().join("report.json");

    // Not in /tmp, which may be in memory: this directory gets a source tree and a build directory.
    let directory = tempfile::Builder::new()
        .prefix("a-directory-with-a-longer-name-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let out = directory.path().join("out");
    let again = Command::new("sh")
        .args(["-c", "umask 077 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_kpatch-build"), "--store"])
        .arg(store())
        .arg("reproduce")
        .arg(&report)
        .args(["--kconfig", TYPES, "--jobs", "1", "--out"])
        .arg(&out)
        .envs([("HOME", "/nonexistent"), ("TZ", "Asia/Kathmandu"), ("LC_ALL", "C.UTF-8"), ("USER", "other")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&again.stderr));
    assert!(text.contains("kernel's image: identical\n"), "{text}");

    // An independent comparison of the files.
    let artifacts = first.report()["artifacts"].as_array().unwrap().clone();
    assert_eq!(artifacts.len(), 6, "three packages in both formats: {artifacts:?}");
    for artifact in &artifacts {
        let original = Path::new(artifact["path"].as_str().unwrap());
        let rebuilt = out.join(original.file_name().unwrap());
        assert!(fs::read(original).unwrap() == fs::read(&rebuilt).unwrap(), "{} differs", rebuilt.display());
    }
    for directory in [first.out.path(), &out] {
        let checked =
            Command::new(env!("CARGO_BIN_EXE_kpatch-build")).arg("verify").arg(directory).output().unwrap();
        assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}
