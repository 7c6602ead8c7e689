//! Options that the command line, the configuration file and the report share, under the same names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Language of a series' patches.
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
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// C.
    #[default]
    C,
    /// Rust, for kernels with `CONFIG_RUST`.
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

    /// The word in `--lang` and in file names: `c`, `rust`.
    pub fn slug(self) -> &'static str {
        match self {
            Lang::C => "c",
            Lang::Rust => "rust",
        }
    }
}

/// A package format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// dpkg and apt.
    Deb,
    /// rpm and dnf.
    Rpm,
}

/// Compression of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Smallest; dpkg of Debian 11 and rpm of RHEL 8 read it.
    #[default]
    Xz,
    /// Fast; needs Debian 12, Ubuntu 18.04 or rpm 4.14, or later.
    Zstd,
    /// Every dpkg and rpm reads it.
    Gzip,
}

/// A package of a kernel; both formats have the same parts under different package names.
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
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Kernel image and modules.
    Image,
    /// Headers and host programs for building out-of-tree modules.
    Headers,
    /// Debug information of image and modules.
    Debug,
    /// C headers of the kernel's user-space interface; replaces the distribution's package.
    LibcDev,
}

/// QEMU accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// Hardware virtualisation by Linux.
    Kvm,
    /// QEMU's own emulation.
    Tcg,
}

/// Time stamp of the image and the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timestamp {
    /// Seconds since the epoch, from `SOURCE_DATE_EPOCH`.
    Given(i64),
    /// The release date: that of the tag, or of the top Makefile in the archive.
    OfSource,
}

/// Whether the programs that run a source's code are confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxChoice {
    /// Where the host allows it.
    #[default]
    Automatic,
    /// Always: the run fails on a host without a sandbox.
    Required,
    /// Never.
    Off,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The source is fetched and verified.
    Fetch,
    /// The series is applied.
    Patch,
    /// The kernel is configured.
    Configure,
    /// The kernel is built.
    Build,
    /// The packages are written.
    Package,
    /// The kernel is built and booted, not packaged.
    Boot,
    /// Every stage.
    Everything,
}

impl Goal {
    /// Whether a kconfig is used.
    pub fn configures(self) -> bool {
        !matches!(self, Goal::Fetch | Goal::Patch)
    }

    /// Whether packages are written.
    pub fn packages(self) -> bool {
        matches!(self, Goal::Package | Goal::Everything)
    }

    /// Whether the kernel is booted.
    pub fn boots(self) -> bool {
        matches!(self, Goal::Boot | Goal::Everything)
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines otherwise
    #[default]
    Auto,
    /// Progress bars
    Bars,
    /// One line for each event
    Plain,
    /// One JSON object for each event, on standard output
    Json,
    /// No progress
    None,
}
