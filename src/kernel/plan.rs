//! The plan of one kernel.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::kbuild::BuildSandbox;
use super::kconfig::{BootClaims, Kconfig};
use super::series::Series;
use super::toolchain::{RustToolchain, Toolchain};
use crate::base::openpgp::sign::KeyFile;
use crate::base::options::{Compression, Format, Lang, Part, Timestamp};
use crate::base::release::Release;
use crate::base::x509::{Identity, SignerFiles};

/// A fully determined kernel: the input of the stages from patch to package.
#[derive(Clone, Debug)]
pub struct KernelPlan {
    /// The exact release.
    pub release: Release,
    /// The series, with its patches for this release.
    pub series: Series,
    /// The language of the series.
    pub lang: Lang,
    /// The requested configuration, including the switches of the series.
    pub kconfig: Kconfig,
    /// SHA-256 of each file outside of the source tree that the configuration names.
    pub named_files: BTreeMap<PathBuf, String>,
    /// The programs that build the kernel.
    pub toolchain: Toolchain,
    /// The part of `uname -r` after the release, with its leading `-`.
    pub localversion: String,
    /// Package revision, from 1.
    pub revision: u32,
    /// Package formats; empty if nothing is packaged.
    pub formats: Vec<Format>,
    /// Package parts, sorted, without duplicates; empty if nothing is packaged.
    pub parts: Vec<Part>,
    /// Compression of the packages.
    pub compression: Compression,
    /// The time in image and packages.
    pub timestamp: Timestamp,
    /// The files of the secret keys.
    pub keys: Keys,
    /// Confines the programs that run the source's code; `None` without a sandbox.
    pub sandbox: Option<BuildSandbox>,
    /// Number of parallel jobs.
    pub jobs: usize,
    /// Directory of the packages and the report.
    pub out: PathBuf,
    /// The run boot-tests the kernel.
    pub boot_tested: bool,
}

/// The files of the user's secret keys, checked. The stages that sign load them.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Signs image and modules, for Secure Boot.
    pub secure_boot: Option<SignerFiles>,
    /// Signs `SHA256SUMS`, the bill of materials and the provenance.
    pub openpgp: Option<KeyFile>,
}

impl KernelPlan {
    /// Whose key signs image and modules; `None` for an unsigned kernel.
    pub fn signed_by(&self) -> Option<&Identity> {
        self.keys.secure_boot.as_ref().map(SignerFiles::identity)
    }

    /// The time in image and packages, in seconds since the epoch. `released_at` is the time of the release,
    /// `None` before the source is unpacked; the result is `None` if it depends on `released_at`.
    pub fn time(&self, released_at: Option<i64>) -> Option<i64> {
        match self.timestamp {
            Timestamp::Given(seconds) => Some(seconds),
            Timestamp::OfSource => released_at,
        }
    }

    /// [`KernelPlan::time`] once the source is unpacked.
    pub fn time_of(&self, released_at: i64) -> i64 {
        match self.timestamp {
            Timestamp::Given(seconds) => seconds,
            Timestamp::OfSource => released_at,
        }
    }

    /// `uname -r` of the kernel: `6.1.187-copy-segments-boot`.
    ///
    /// Always begins with three numbers, as in the kernel's Makefile: `5.12.0-…` for 5.12.
    pub fn kernel_release(&self) -> String {
        format!("{}{}", self.release.kernel_version(), self.localversion)
    }

    /// The claims that a boot test of this kernel judges.
    pub(crate) fn boot_claims(&self) -> BootClaims<'_> {
        BootClaims { series: &self.series.claims, line: self.release.line() }
    }

    /// The Rust tools, if the kernel contains Rust.
    pub(crate) fn rust(&self) -> Option<&RustToolchain> {
        self.toolchain.rust.as_ref().filter(|_| self.kconfig.demands("RUST"))
    }

    /// The version of pahole, if it is installed and the kernel contains BTF.
    pub(crate) fn pahole(&self) -> Option<&str> {
        self.toolchain.pahole_version.as_deref().filter(|_| self.wants_btf())
    }

    /// Whether the kernel contains BTF, which pahole generates.
    pub(crate) fn wants_btf(&self) -> bool {
        self.kconfig.requests("DEBUG_INFO_BTF")
    }
}
