//! A kernel's packages, made by the tool as its user does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{LINE, Run};
use crate::rpm_root::RpmRoot;

pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    pub image: PathBuf,
    pub devel: PathBuf,
    /// The packages are in it.
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
        let report = run.report();
        let file = |part: &str| {
            let artifacts = report["artifacts"].as_array().unwrap();
            let artifact = artifacts.iter().find(|artifact| artifact["part"] == part).expect(part);
            PathBuf::from(artifact["path"].as_str().unwrap())
        };
        let release = report["kernel"]["release"].as_str().unwrap().to_owned();
        Kernel { release, image: file("image"), devel: file("headers"), _run: run }
    }

    pub fn name(&self) -> String {
        format!("kernel-kpatch-{}", self.release)
    }

    /// Copies a package into the root and returns where it is there.
    pub fn deliver(&self, file: &Path, root: &RpmRoot) -> String {
        let inside = format!("/root/{}", file.file_name().unwrap().to_str().unwrap());
        fs::copy(file, root.join(&inside)).unwrap();
        inside
    }
}
