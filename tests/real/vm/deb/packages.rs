//! Files for the machine: two builds of the kernel's packages, the probe, and a module's source.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::modules;
use crate::support::systems::vm;
use crate::support::tool::{LINE, Run};

pub const SERIES: &str = "copy-segments";

pub struct Delivery {
    /// `1` and `2` with the packages of each build, `probe`, `hello` and `dkms`.
    pub dir: TempDir,
    /// `uname -r` of the kernel.
    pub release: String,
}

impl Delivery {
    pub fn new() -> Delivery {
        let dir = tempfile::tempdir().unwrap();
        // apt reads the packages as the user _apt.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // An upgrade may use another compression than the package it replaces.
        let releases = [("1", "xz"), ("2", "zstd")]
            .map(|(revision, compression)| build(revision, compression, dir.path()));
        assert_eq!(releases[0], releases[1], "the second build replaces the first");
        vm::probe::add(dir.path());
        modules::add(dir.path());
        let [release, _] = releases;
        Delivery { dir, release }
    }
}

/// Packages the kernel and returns its release. The second build only links, because only the build number
/// differs.
fn build(revision: &str, compression: &str, delivery: &Path) -> String {
    let args = ["--release", LINE, "--series", SERIES, "--kconfig", "cloud", "--format", "deb", "--no-boot"];
    let run =
        Run::new(&[&args[..], &["--revision", revision, "--compression", compression]].concat()).passed();
    let dir = delivery.join(revision);
    fs::create_dir(&dir).unwrap();
    for part in ["image", "headers"] {
        let path = run.artifact("deb", part);
        fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
    }
    run.report()["kernel"]["release"].as_str().unwrap().to_owned()
}
