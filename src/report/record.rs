//! The parts of a report.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::base::error::Failure;
use crate::base::events::{Stage, Status};
use crate::base::options::{Compression, Format, Lang, Part};
use crate::base::release::Line;
use crate::base::x509::Identity;
use crate::kernel::KernelPlan;
use crate::kernel::kconfig::{KconfigFile, LostOption};
use crate::kernel::toolchain::{RustToolchain, Toolchain};
use crate::stages::boot::{BootResult, Verdict};
use crate::stages::build::KernelBuild;
use crate::stages::configure::KernelConfig;
use crate::stages::fetch::Origin;
use crate::stages::package::Package;
use crate::stages::verify::VerifiedSource;

/// A version of kpatch-build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Version number: `0.1.0`.
    pub version: String,
    /// The git commit it was built from, 40 hexadecimal digits; null outside a git checkout.
    pub commit: Option<String>,
}

impl Tool {
    /// The version that runs.
    pub fn this() -> Tool {
        Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("KPATCH_BUILD_COMMIT").map(str::to_owned),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kpatch-build {}", self.version)?;
        self.commit.iter().try_for_each(|commit| write!(f, ", commit {commit}"))
    }
}

/// The part of a request that determines the packages.
///
/// The provenance has the same object as its `externalParameters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestRecord {
    /// The release as requested: `6.1.y`, `6.1.187`, `latest`, or `the newest long-term line` by default.
    pub release: String,
    /// A shipped name, `none`, or a path.
    pub series: String,
    /// The language of the series' patches.
    pub lang: Lang,
    /// Shipped names or paths of kconfig fragments; later ones override earlier ones.
    pub kconfig: Vec<String>,
    /// Package formats; empty for no packages.
    pub formats: Vec<Format>,
    /// The value of `--source`.
    pub source: String,
    /// The requested packages. Null for the defaults, which depend on the kconfig.
    pub packages: Option<Vec<Part>>,
    /// The compression of the packages.
    pub compression: Compression,
    /// The value of `--localversion`. Null for the default, composed of series, language, kconfig and signing.
    pub localversion: Option<String>,
    /// The package revision, from 1.
    pub revision: u32,
    /// `SOURCE_DATE_EPOCH`, in seconds since the epoch. Null if it was not set.
    pub source_date_epoch: Option<i64>,
    /// The value of `--cc`.
    pub cc: String,
}

/// The purpose of a file next to the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// SPDX 2.3 in JSON.
    BillOfMaterials,
    /// SLSA provenance in an in-toto statement.
    Provenance,
    /// Detached OpenPGP signature, ASCII-armored.
    Signature,
    /// SHA-256 checksums, as sha256sum(1) writes them.
    Checksums,
}

/// A file next to the packages with which others can check them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Path of the file.
    pub path: PathBuf,
    /// Its purpose.
    pub kind: DocumentKind,
    /// SHA-256 of the file. Null for `SHA256SUMS` and its signature, which depend on the report.
    pub sha256: Option<String>,
}

/// The verified source of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The kind of source.
    pub origin: Origin,
    /// Address or path; for git with `#REF`.
    pub url: String,
    /// SHA-256 of the archive; for git of the listing of the commit's tree; for a directory of the
    /// listing of its files.
    pub sha256: String,
    /// The chain of trust in words. Null only with `--no-verify`.
    pub verified_by: Option<String>,
    /// What weakens the chain of trust: an index that is no longer valid, accepted with `--accept-stale-index`. Absent if
    /// nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

impl From<&VerifiedSource> for Source {
    fn from(source: &VerifiedSource) -> Source {
        Source {
            origin: source.origin,
            url: source.url.clone(),
            sha256: source.sha256.clone(),
            verified_by: source.verified_by.clone(),
            caveats: source.caveat.iter().cloned().collect(),
        }
    }
}

/// Names and versions of the programs that built the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolchainRecord {
    /// C compiler: `gcc 12.2.0`.
    pub cc: String,
    /// First line of its `--version`, which goes into the image.
    pub cc_text: Option<String>,
    /// Linker: `GNU ld 2.40`.
    pub ld: String,
    /// `rustc 1.96.0`. Null for a kernel without Rust.
    pub rustc: Option<String>,
    /// `bindgen 0.72.1`. Null for a kernel without Rust.
    pub bindgen: Option<String>,
    /// The libclang that bindgen reads C with: `clang 19.1.7`. Null for a kernel without Rust.
    pub libclang: Option<String>,
    /// `pahole v1.24`, which generates BTF. Null if it is not installed.
    pub pahole: Option<String>,
}

impl From<&Toolchain> for ToolchainRecord {
    fn from(tools: &Toolchain) -> ToolchainRecord {
        let rust = |part: fn(&RustToolchain) -> &String| tools.rust.as_ref().map(|rust| part(rust).clone());
        ToolchainRecord {
            cc: tools.cc_version.clone(),
            cc_text: Some(tools.cc_text.clone()),
            ld: tools.ld_version.clone(),
            rustc: rust(|rust| &rust.rustc_version),
            bindgen: rust(|rust| &rust.bindgen_version),
            libclang: rust(|rust| &rust.libclang_version),
            pahole: tools.pahole_version.clone(),
        }
    }
}

/// An option of a whole configuration that the kernel does not have as that configuration says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DroppedOption {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// Value, file and line: `CONFIG_X=m from distro.config, line 7`.
    pub request: String,
    /// The value in `.config`; `n` for an option that is off.
    pub actual: String,
    /// Why the values differ.
    pub reason: String,
}

/// The kernel's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// Path of the final `.config` in the store.
    pub config: PathBuf,
    /// SHA-256 of the final `.config`.
    pub config_sha256: String,
    /// The files of `--kconfig`, and what each was taken for.
    pub files: Vec<KconfigFile>,
    /// The options of a whole configuration among them that this kernel does not have as it says.
    pub dropped: Vec<DroppedOption>,
}

impl From<&KernelConfig> for Configuration {
    fn from(config: &KernelConfig) -> Configuration {
        let dropped = |option: &LostOption| DroppedOption {
            symbol: option.symbol.clone(),
            request: option.request.clone(),
            actual: option.actual.clone(),
            reason: option.reason.to_string(),
        };
        Configuration {
            config: config.config.clone(),
            config_sha256: config.config_sha256.clone(),
            files: config.kconfig.files.clone(),
            dropped: config.dropped.iter().map(dropped).collect(),
        }
    }
}

/// The built kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kernel {
    /// `uname -r`: `6.1.187-copy-segments-boot`.
    pub release: String,
    /// Path of the bzImage in the store.
    pub image: PathBuf,
    /// SHA-256 of the image, including its Secure Boot signature.
    pub image_sha256: String,
    /// SHA-256 of the final `.config`.
    pub config_sha256: String,
    /// The certificate of the Secure Boot key that signed image and modules. Null for an unsigned kernel.
    pub signed_by: Option<Identity>,
    /// The time in image and packages, in seconds since the epoch.
    pub timestamp: Option<i64>,
    /// The release line whose patches were used because the release's own line has none: untested.
    pub patches_borrowed_from: Option<Line>,
}

impl Kernel {
    /// The record of `build`, which was built from `plan`.
    pub fn new(plan: &KernelPlan, build: &KernelBuild) -> Kernel {
        Kernel {
            release: build.release.clone(),
            image: build.image(),
            image_sha256: build.image_sha256.clone(),
            config_sha256: build.config_sha256.clone(),
            signed_by: build.signed_by.clone(),
            timestamp: Some(build.timestamp),
            patches_borrowed_from: plan.series.borrowed_from,
        }
    }
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Path of the file.
    pub path: PathBuf,
    /// Package format.
    pub kind: Format,
    /// Content of the package.
    pub part: Part,
    /// Name of the package, without its version.
    pub name: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Artifact {
    /// The package's file name.
    pub fn file(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl From<&Package> for Artifact {
    fn from(package: &Package) -> Artifact {
        Artifact {
            path: package.path.clone(),
            kind: package.format,
            part: package.part,
            name: package.name.clone(),
            bytes: package.bytes,
            sha256: package.sha256.clone(),
        }
    }
}

/// A stage that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageRecord {
    /// The stage.
    pub stage: Stage,
    /// How it ended.
    pub status: Status,
    /// Duration in seconds.
    pub seconds: f64,
    /// Cache key, 64 hexadecimal digits. Null for stages without one.
    pub key: Option<String>,
    /// Path of the log. Null if the stage started no program that prints one.
    pub log: Option<PathBuf>,
}

/// The result of the boot, or `{"verdict": "skipped"}` for a kernel that was not booted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BootRecord {
    /// The kernel was booted.
    Booted(Box<BootResult>),
    /// Only the verdict: the boot was skipped, or another version recorded it in a form that this one
    /// does not know.
    Verdict {
        /// `skipped`: the run built a kernel and did not boot it.
        #[schemars(schema_with = "skipped")]
        verdict: Verdict,
    },
}

/// The only verdict that this version writes without a boot.
fn skipped(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"const": Verdict::Skipped})
}

impl BootRecord {
    /// The record of a kernel that was not booted.
    pub const SKIPPED: BootRecord = BootRecord::Verdict { verdict: Verdict::Skipped };

    /// Whether the claims held.
    pub fn verdict(&self) -> Verdict {
        match self {
            BootRecord::Booted(result) => result.verdict,
            BootRecord::Verdict { verdict } => *verdict,
        }
    }
}

/// Why a run failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ErrorRecord {
    /// The stage that failed. Null before the first stage.
    pub stage: Option<Stage>,
    /// The exit status of the run.
    pub exit: u8,
    /// The error and its causes, joined by `: `.
    pub message: String,
    /// Details, a sentence or `name: value` each.
    pub facts: Vec<String>,
    /// The suggested next step.
    pub next_step: Option<String>,
    /// Path of the log of the program that failed.
    pub log: Option<PathBuf>,
}

impl From<&Failure> for ErrorRecord {
    fn from(failure: &Failure) -> ErrorRecord {
        ErrorRecord {
            stage: failure.stage,
            exit: failure.exit as u8,
            message: failure.message(),
            facts: failure.facts.clone(),
            next_step: failure.next_step.clone(),
            log: failure.log.clone(),
        }
    }
}
