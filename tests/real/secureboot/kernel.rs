//! The signed kernel that all tests share, built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::firmware;
use crate::support::keys::Keys;
use crate::support::need::have;
use crate::support::output::printed;
use crate::support::tool::{LINE, Run, can_boot, store};

pub struct Kernel {
    pub keys: Keys,
    /// Keys that the kernel and the firmware do not trust.
    pub others: Keys,
    pub report: Value,
    run: Run,
    unpacked: tempfile::TempDir,
}

/// `None` if the test is skipped.
pub fn kernel() -> Option<&'static Kernel> {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    let programs = ["sbverify", "sbsign", "virt-fw-vars", "modinfo", "dpkg-deb", "rpm2cpio", "cpio"];
    if !can_boot() || !have(&programs) || !firmware::is_there() {
        return None;
    }
    Some(KERNEL.get_or_init(Kernel::build))
}

/// Arguments of a run that builds the kernel.
pub fn arguments(keys: &Keys) -> Vec<&str> {
    let (key, cert) = (keys.key.to_str().unwrap(), keys.cert.to_str().unwrap());
    vec!["--release", LINE, "--series", "none", "--secure-boot-key", key, "--secure-boot-cert", cert]
}

impl Kernel {
    fn build() -> Kernel {
        // The kernel contains the certificate, so a new certificate for each run would require another build.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("secureboot-keys");
        let keys = Keys::kept_in(&dir, "kpatch-build test");
        let run = Run::new(&arguments(&keys)).passed();
        let (report, unpacked) = (run.report(), tempfile::tempdir().unwrap());
        let others = Keys::new("another key");
        let kernel = Kernel { keys, others, report, run, unpacked };
        for part in ["image", "headers"] {
            let deb = kernel.run.artifact("deb", part);
            printed(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(kernel.deb()));
        }
        let rpm = kernel.run.artifact("rpm", "image");
        std::fs::create_dir(kernel.rpm()).unwrap();
        let line = "rpm2cpio \"$1\" | cpio --quiet -idm";
        printed(Command::new("sh").args(["-ec", line, "sh"]).arg(rpm).current_dir(kernel.rpm()));
        kernel
    }

    fn release(&self) -> &str {
        self.report["kernel"]["release"].as_str().unwrap()
    }

    pub fn out(&self) -> PathBuf {
        self.run.out.path().to_owned()
    }

    /// Directory of the unpacked .debs of image and headers.
    pub fn deb(&self) -> PathBuf {
        self.unpacked.path().join("deb")
    }

    pub fn rpm(&self) -> PathBuf {
        self.unpacked.path().join("rpm")
    }

    pub fn headers(&self) -> PathBuf {
        self.deb().join("usr/src").join(format!("linux-headers-{}", self.release()))
    }

    pub fn image_in(&self, root: &Path) -> PathBuf {
        let (in_deb, in_rpm) =
            (format!("boot/vmlinuz-{}", self.release()), format!("lib/modules/{}/vmlinuz", self.release()));
        let found = [in_deb, in_rpm].map(|path| root.join(path)).into_iter().find(|path| path.exists());
        found.expect("an image")
    }

    pub fn module_in(&self, root: &Path) -> PathBuf {
        root.join("lib/modules").join(self.release()).join("kernel/kernel/configs.ko")
    }

    /// Directory of a stage's result in the store.
    fn result(&self, stage: &str) -> PathBuf {
        let stages = self.report["stages"].as_array().unwrap();
        let stage = stages.iter().find(|entry| entry["stage"] == stage).unwrap();
        store().join("results").join(stage["key"].as_str().unwrap())
    }

    /// Directories of the unsigned and of the signed kernel.
    pub fn results(&self) -> [PathBuf; 2] {
        ["build", "sign"].map(|stage| self.result(stage))
    }

    /// The `O=` directory with this kernel's certificate.
    pub fn build_dir(&self) -> PathBuf {
        let cert = std::fs::read(&self.keys.cert).unwrap();
        let mut dirs = std::fs::read_dir(store().join("builds")).unwrap().map(|entry| entry.unwrap().path());
        let is_ours = |dir: &PathBuf| {
            std::fs::read(dir.join("certs/kpatch-build.pem")).is_ok_and(|found| found == cert)
        };
        dirs.find(is_ours).expect("a build directory with the certificate")
    }

    pub fn unsigned_image(&self) -> PathBuf {
        self.result("build").join("bzImage")
    }

    pub fn unsigned_module(&self) -> PathBuf {
        self.module_in(&self.result("build").join("modules"))
    }
}
