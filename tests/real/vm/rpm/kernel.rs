//! A kernel's packages, built with the tool as a user does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::systems::rpm_root::RpmRoot;
use crate::support::tool::{LINE, Run};

pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    pub image: PathBuf,
    pub devel: PathBuf,
    /// Holds the packages.
    _run: Run,
}

impl Kernel {
    pub fn packaged(series: &str) -> Kernel {
        let args = [
            "package",
            "--release",
            LINE,
            "--kconfig",
            "cloud",
            "--series",
            series,
            "--format",
            "rpm",
            "--packages",
            "image,headers",
        ];
        let run = Run::new(&args).passed();
        let release = run.report()["kernel"]["release"].as_str().unwrap().to_owned();
        Kernel {
            release,
            image: run.artifact("rpm", "image"),
            devel: run.artifact("rpm", "headers"),
            _run: run,
        }
    }

    pub fn name(&self) -> String {
        format!("kernel-kpatch-{}", self.release)
    }

    /// Copies a package into the root and returns its path there.
    pub fn deliver(&self, file: &Path, root: &RpmRoot) -> String {
        let inside = format!("/root/{}", file.file_name().unwrap().to_str().unwrap());
        fs::copy(file, root.join(&inside)).unwrap();
        inside
    }
}
