//! The plan of one kernel.

use std::path::PathBuf;

use super::kconfig::Kconfig;
use super::series::Series;
use super::toolchain::Toolchain;
use crate::base::options::{Compression, Format, Lang, Part, Timestamp};
use crate::base::release::Release;
use crate::base::x509::Signer;

/// A fully determined kernel: what the stages from patch to package are given.
#[derive(Clone, Debug)]
pub struct KernelPlan {
    pub release: Release,
    pub series: Series,
    pub lang: Lang,
    pub kconfig: Kconfig,
    pub toolchain: Toolchain,
    /// What follows the release in `uname -r`, with its leading `-`.
    pub localversion: String,
    pub revision: u32,
    pub formats: Vec<Format>,
    /// Sorted, each once; empty where nothing is packaged.
    pub parts: Vec<Part>,
    pub compression: Compression,
    pub timestamp: Timestamp,
    /// Signs image and modules.
    pub signer: Option<Signer>,
    pub jobs: usize,
    pub out: PathBuf,
    /// The kernel must be able to boot in the test.
    pub boot_tested: bool,
}

impl KernelPlan {
    /// Seconds since the epoch that go into image and packages; `made` is when the release
    /// was. `None` where only the source, which is not there yet, can tell.
    pub fn time(&self, made: Option<i64>) -> Option<i64> {
        match self.timestamp {
            Timestamp::Given(seconds) => Some(seconds),
            Timestamp::OfSource => made,
        }
    }

    /// [`KernelPlan::time`] for a source that is there.
    pub fn time_of(&self, made: i64) -> i64 {
        match self.timestamp {
            Timestamp::Given(seconds) => seconds,
            Timestamp::OfSource => made,
        }
    }

    /// `uname -r` of the kernel: `6.1.187-copy-segments-boot`.
    ///
    /// Always three numbers in front, as the kernel's Makefile writes it: 5.12 gives `5.12.0-…`.
    pub fn kernel_release(&self) -> String {
        format!("{}{}", self.release.kernel_version(), self.localversion)
    }
}
