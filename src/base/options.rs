//! What can be chosen, by the words of the command line and of the report.

use serde::{Deserialize, Serialize};

/// The language of a series' patches.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    #[default]
    C,
    Rust,
}

impl Lang {
    /// The name in sentences: `C`, `Rust`.
    pub fn name(self) -> &'static str {
        match self {
            Lang::C => "C",
            Lang::Rust => "Rust",
        }
    }

    /// The word of `--lang` and in file names: `c`, `rust`.
    pub fn slug(self) -> &'static str {
        match self {
            Lang::C => "c",
            Lang::Rust => "rust",
        }
    }
}

/// A package format.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Deb,
    Rpm,
}

/// How packages are compressed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// The smallest; dpkg of Debian 11 and rpm of RHEL 8 read it.
    #[default]
    Xz,
    /// Fast; dpkg reads it from Debian 12 and Ubuntu 18.04 on, rpm from 4.14 on.
    Zstd,
    /// Everything reads it.
    Gzip,
}

/// A package of a kernel; both formats have the same ones, under names of their own.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Image, modules, what loads them.
    Image,
    /// What building an out-of-tree module needs, host programs included.
    Headers,
    /// Debug information of image and modules.
    Debug,
    /// The kernel's interface to user programs, as C headers. Takes the place of the distribution's.
    LibcDev,
}

/// What QEMU runs the guest's processor with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    Kvm,
    Tcg,
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

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    Fetch,
    Patch,
    Build,
    Package,
    /// The built kernel is booted, not packaged.
    Boot,
    Everything,
}

impl Goal {
    pub fn builds(self) -> bool {
        !matches!(self, Goal::Fetch | Goal::Patch)
    }

    pub fn packages(self) -> bool {
        matches!(self, Goal::Package | Goal::Everything)
    }

    pub fn boots(self) -> bool {
        matches!(self, Goal::Boot | Goal::Everything)
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    Bars,
    Plain,
    Json,
    None,
}
