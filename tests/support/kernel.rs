//! The real kernel that suites share: the newest release of [`LINE`] without a series, built once in the test store.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use super::need::{have, present};
use super::tool::{LINE, Run, store};

/// The image of an unpatched kernel, with its release.
pub struct Image {
    pub release: String,
    pub path: PathBuf,
}

/// Returns the images in `KPATCH_BOOT_IMAGES`, a directory of `<release>/bzImage`; if unset, the shared kernel alone.
pub fn images() -> Vec<Image> {
    let Some(images) = std::env::var_os("KPATCH_BOOT_IMAGES") else { return vec![plain()] };
    let mut found: Vec<_> = std::fs::read_dir(images)
        .unwrap()
        .flatten()
        .map(|entry| Image {
            release: entry.file_name().to_string_lossy().into_owned(),
            path: entry.path().join("bzImage"),
        })
        .filter(|image| image.path.exists())
        .collect();
    found.sort_by(|left, right| left.release.cmp(&right.release));
    assert!(!found.is_empty(), "KPATCH_BOOT_IMAGES contains no <release>/bzImage");
    found
}

fn plain() -> Image {
    static REPORT: OnceLock<Value> = OnceLock::new();
    let report =
        REPORT.get_or_init(|| Run::new(&["build", "--release", LINE, "--series", "none"]).passed().report());
    Image {
        release: report["release"].as_str().unwrap().to_owned(),
        path: report["kernel"]["image"].as_str().unwrap().into(),
    }
}

/// Returns the source trees in `KPATCH_BUILD_TEST_TREES`, separated by colons; if unset, the shared kernel's unpatched
/// tree.
pub fn trees() -> Vec<PathBuf> {
    if let Some(paths) = std::env::var_os("KPATCH_BUILD_TEST_TREES") {
        return std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    let report = Run::new(&["patch", "--release", LINE, "--series", "none"]).passed().report();
    let stages = report["stages"].as_array().unwrap();
    let unpack = stages.iter().find(|stage| stage["stage"] == "unpack").unwrap();
    let tree = store().join("sources").join(unpack["key"].as_str().unwrap()).join("linux");
    assert!(tree.is_dir(), "{}", tree.display());
    vec![tree]
}

/// Downloads Debian's package of the configurations of its kernels, and returns the packed one for amd64.
pub fn debians_configuration(dir: &Path) -> Option<PathBuf> {
    const PACKAGE: &str = "linux-config-6.1";
    let run = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).current_dir(dir).output().unwrap();
        output.status.success()
    };
    if !have(&["apt-get", "dpkg-deb", "xz"])
        || !present("Debian's package linux-config-6.1", run("apt-get", &["-q", "download", PACKAGE]))
    {
        return None;
    }
    let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(run("dpkg-deb", &["-x", files[0].to_str().unwrap(), "."]));
    Some(dir.join("usr/src").join(PACKAGE).join("config.amd64_none_amd64.xz"))
}
