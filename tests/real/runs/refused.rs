//! Runs that must fail, with the reason.

use std::fs;
use std::path::PathBuf;

use crate::support::tool::{LINE, Run, can_boot, store};

#[test]
fn an_option_whose_dependency_was_removed_is_named() {
    if !can_boot() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let kconfig = dir.path().join("boot.config");
    let shipped = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/kconfigs/boot.config")).unwrap();
    assert!(shipped.contains("\nCONFIG_CGROUPS=y\n") && shipped.contains("\nCONFIG_CGROUP_FREEZER=y\n"));
    fs::write(&kconfig, shipped.replace("\nCONFIG_CGROUPS=y\n", "\n")).unwrap();

    let run = Run::new(&["build", "--release", LINE, "--kconfig", kconfig.to_str().unwrap()]);
    assert_eq!(run.code(), Some(3), "{}", run.stderr());
    let text = run.stderr();
    assert!(text.contains("CONFIG_CGROUP_FREEZER") && text.contains("CGROUPS"), "{text}");
    assert_eq!(run.report()["error"]["stage"], "configure");
}

#[test]
fn a_tarball_with_one_changed_byte_is_fetched_again() {
    let run = Run::new(&["fetch", "--release", LINE]).passed();
    let sha256 = run.report()["source"]["sha256"].as_str().unwrap().to_owned();
    let path = archive(&sha256);
    let original = fs::read(&path).unwrap();
    let mut altered = original.clone();
    altered[original.len() / 2] ^= 1;
    fs::write(&path, &altered).unwrap();
    let run = Run::new(&["fetch", "--release", LINE]);
    let after = fs::read(&path).unwrap();
    fs::write(&path, &original).unwrap();
    assert_eq!(run.code(), Some(0), "{}", run.stderr());
    assert!(
        run.stderr().contains(&format!("the archive {sha256} of the store is damaged")),
        "{}",
        run.stderr()
    );
    assert!(after == original);
}

/// Returns the archive in the store: the largest file of its entry.
fn archive(sha256: &str) -> PathBuf {
    let files =
        fs::read_dir(store().join("tarballs").join(sha256)).unwrap().flatten().map(|entry| entry.path());
    files.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}
