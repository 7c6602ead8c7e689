//! The same plan gives the same packages, whatever the circumstances.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::need::have;
use crate::support::tool::{LINE, Run, TYPES, can_boot, store};

/// Image, headers and debug information, with BTF, twice. The first run has the store that all tests here share and
/// a compiler for each of two processors. The second one is `reproduce`, which compiles with one alone in an empty
/// store, below another folder, later, with another umask, home, time zone and language.
#[test]
fn packages_are_bit_identical_elsewhere_later_with_other_jobs_and_from_an_empty_store() {
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

    // Not in /tmp, which may be memory: there will be a source tree and a build folder.
    let elsewhere = tempfile::Builder::new()
        .prefix("a-folder-with-a-longer-name-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let out = elsewhere.path().join("out");
    let again = Command::new("sh")
        .args(["-c", "umask 077 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_kpatch-build"), "--store"])
        .arg(store())
        .arg("reproduce")
        .arg(&report)
        .args(["--jobs", "1", "--out"])
        .arg(&out)
        .envs([("HOME", "/nonexistent"), ("TZ", "Asia/Kathmandu"), ("LC_ALL", "C.UTF-8"), ("USER", "other")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&again.stderr));
    assert!(said.contains("kernel's image: identical\n"), "{said}");

    // Not by what the tool says of itself.
    let artifacts = first.report()["artifacts"].as_array().unwrap().clone();
    assert_eq!(artifacts.len(), 6, "three packages in both formats: {artifacts:?}");
    for artifact in &artifacts {
        let one = Path::new(artifact["path"].as_str().unwrap());
        let two = out.join(one.file_name().unwrap());
        assert!(fs::read(one).unwrap() == fs::read(&two).unwrap(), "{} differs", two.display());
    }
    for folder in [first.out.path(), &out] {
        let checked =
            Command::new(env!("CARGO_BIN_EXE_kpatch-build")).arg("verify").arg(folder).output().unwrap();
        assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}
