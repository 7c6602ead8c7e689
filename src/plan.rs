//! A [`Request`] is what the user said; a [`Plan`] is the same with nothing left open.
//!
//! After the plan no stage reads the environment, the clock or a default.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::configure::Kconfig;
use crate::fetch::{Offer, SourceSpec};
use crate::patch::series::Series;
use crate::release::{Release, ReleaseSpec};

/// The language of a series' patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    #[default]
    C,
    Rust,
}

/// A package format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Deb,
    Rpm,
}

/// What QEMU runs the guest's processor with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    Kvm,
    Tcg,
}

/// What the user said, flags and configuration file merged.
#[derive(Clone, Debug)]
pub struct Request {
    pub release: ReleaseSpec,
    pub source: SourceSpec,
    /// A shipped series' name, `none`, or a folder or mbox of the user's own.
    pub series: String,
    pub lang: Lang,
    /// Shipped names or paths, later ones on top of earlier ones.
    pub kconfig: Vec<String>,
    pub formats: Vec<Format>,
    pub cc: String,
    pub localversion: Option<String>,
    pub revision: u32,
    pub jobs: Option<usize>,
    pub out: PathBuf,
    /// `None` boots nothing.
    pub boot: Option<BootRequest>,
    /// Sources that carry no signature or checksum are accepted.
    pub no_verify: bool,
    pub keyring: Option<PathBuf>,
    pub kernel_org: Vec<String>,
    pub debian_mirror: Option<String>,
}

#[derive(Clone, Debug)]
pub struct BootRequest {
    /// `None`: what the probe of this host finds.
    pub accel: Option<Accel>,
    /// From power-on to the end of the probe.
    pub deadline: Duration,
}

/// Nothing left open.
#[derive(Clone, Debug)]
pub struct Plan {
    pub release: Release,
    /// Where to get the release, in the order to try; never empty.
    pub offers: Vec<Offer>,
    pub series: Series,
    pub lang: Lang,
    pub kconfig: Kconfig,
    pub toolchain: Toolchain,
    /// What follows the release in `uname -r`, with its leading `-`.
    pub localversion: String,
    pub revision: u32,
    pub formats: Vec<Format>,
    pub timestamp: Timestamp,
    pub jobs: usize,
    pub out: PathBuf,
    pub boot: Option<BootRequest>,
}

/// The time that goes into the image and the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timestamp {
    /// Seconds since the epoch, from `SOURCE_DATE_EPOCH`.
    Given(i64),
    /// When the release was made: the date of the tag, or of the Makefile in the archive.
    OfSource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    Gcc,
    Clang,
}

/// The programs that make the kernel, by what they say of themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    pub compiler: Compiler,
    /// As found in `PATH`.
    pub cc: PathBuf,
    /// `gcc 12.2.0`.
    pub cc_version: String,
    /// `GNU ld 2.40`.
    pub ld_version: String,
    pub rustc_version: Option<String>,
    pub bindgen_version: Option<String>,
    /// `pahole v1.24`; makes BTF.
    pub pahole_version: Option<String>,
}

impl Toolchain {
    /// The compiler's major version: 12 of `gcc 12.2.0`.
    pub fn cc_major(&self) -> Option<u32> {
        self.cc_version.split_whitespace().nth(1)?.split('.').next()?.parse().ok()
    }
}

impl Plan {
    /// `uname -r` of the kernel: `6.1.187-copy-segments-boot`.
    ///
    /// Always three numbers in front, as the kernel's Makefile writes it: 5.12 gives `5.12.0-…`.
    pub fn kernel_release(&self) -> String {
        format!("{}{}", self.release.kernel_version(), self.localversion)
    }
}
