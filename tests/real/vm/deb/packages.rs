//! What the machine is handed: two builds of the kernel's packages, the probe, and a module's source.

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
    pub folder: TempDir,
    /// `uname -r` of the kernel.
    pub release: String,
}

impl Delivery {
    pub fn new() -> Delivery {
        let folder = tempfile::tempdir().unwrap();
        // apt reads what it installs as a user of its own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // An upgrade may find another compression than what it takes the place of.
        let releases = [("1", "xz"), ("2", "zstd")]
            .map(|(revision, compression)| build(revision, compression, folder.path()));
        assert_eq!(releases[0], releases[1], "a second build takes the place of the first");
        vm::probe::add(folder.path());
        modules::add(folder.path());
        let [release, _] = releases;
        Delivery { folder, release }
    }
}

/// Returns the release. The second build costs a link: only the build's number differs.
fn build(revision: &str, compression: &str, delivery: &Path) -> String {
    let args = ["--release", LINE, "--series", SERIES, "--kconfig", "cloud", "--format", "deb", "--no-boot"];
    let run =
        Run::new(&[&args[..], &["--revision", revision, "--compression", compression]].concat()).passed();
    let folder = delivery.join(revision);
    fs::create_dir(&folder).unwrap();
    for part in ["image", "headers"] {
        let path = run.artifact("deb", part);
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    run.report()["kernel"]["release"].as_str().unwrap().to_owned()
}
