//! Report: `report.json`, written after every stage, so that a killed run leaves a readable one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::error::{Exit, Failure};
use crate::base::events::{Stage, Status};
use crate::base::files;
use crate::base::options::{Compression, Format, Lang, Part};
use crate::base::release::Release;
use crate::base::x509::Identity;
use crate::kernel::KernelPlan;
use crate::kernel::toolchain::RustToolchain;
use crate::stages::boot::BootResult;
use crate::stages::build::KernelBuild;
use crate::stages::package::Package;
use crate::stages::patch::AppliedPatch;
use crate::stages::verify::VerifiedSource;

pub mod attest;
mod recorded;

pub use recorded::{ReadError, Recorded};

pub const SCHEMA: &str = "kpatch-build/report/1";
pub const FILE: &str = "report.json";

/// The whole of `report.json`, version 1; fields are added, never renamed.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    tool: Tool,
    request: RequestPart,
    /// What the request resolved to.
    release: Option<Release>,
    pub source: Option<Source>,
    pub patches: Vec<AppliedPatch>,
    pub toolchain: Option<ToolchainPart>,
    pub kernel: Option<Kernel>,
    artifacts: Vec<Artifact>,
    /// What lies beside the packages so that they can be checked.
    pub evidence: Vec<Document>,
    pub stages: Vec<StagePart>,
    pub boot: Option<BootPart>,
    /// Why the run ended, where it did not pass.
    pub error: Option<ErrorPart>,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    pub version: String,
    /// `null` where the tool was not built from a git checkout.
    pub commit: Option<String>,
}

impl Tool {
    /// The one that runs.
    pub fn own() -> Tool {
        Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("KPATCH_BUILD_COMMIT").map(str::to_owned),
        }
    }
}

impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kpatch-build {}", self.version)?;
        self.commit.iter().try_for_each(|commit| write!(f, ", commit {commit}"))
    }
}

/// What of a request decides about the packages: `externalParameters` of their provenance too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestPart {
    pub release: String,
    pub series: String,
    pub lang: Lang,
    pub kconfig: Vec<String>,
    pub formats: Vec<Format>,
    pub source: String,
    /// `null`: what the kconfig has something for.
    pub packages: Option<Vec<Part>>,
    pub compression: Compression,
    /// `null`: made of series, language and kconfig.
    pub localversion: Option<String>,
    pub revision: u32,
    /// `SOURCE_DATE_EPOCH`; `null` where it was not set.
    pub source_date_epoch: Option<i64>,
    pub cc: String,
}

/// What a file beside the packages is; the words are those of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    BillOfMaterials,
    Provenance,
    Signature,
    Checksums,
}

/// One of the files beside the packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub path: PathBuf,
    pub kind: DocumentKind,
    /// `null` for the sums and their signature: they are made of the report.
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    pub origin: crate::stages::fetch::Origin,
    pub url: String,
    pub sha256: String,
    pub verified_by: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolchainPart {
    pub cc: String,
    /// The first line of its `--version`, which goes into the image.
    pub cc_text: Option<String>,
    pub ld: String,
    pub rustc: Option<String>,
    pub bindgen: Option<String>,
    /// What bindgen reads C with.
    pub libclang: Option<String>,
    pub pahole: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kernel {
    pub release: String,
    pub image: PathBuf,
    pub image_sha256: String,
    pub config_sha256: String,
    /// Whose key signed image and modules; `null` where nothing is signed.
    pub signed_by: Option<Identity>,
    /// The time in image and packages, seconds since the epoch.
    pub timestamp: Option<i64>,
    /// The line whose patches were used although it is not this release's: untested.
    pub patches_borrowed_from: Option<crate::base::release::Line>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Artifact {
    pub path: PathBuf,
    pub kind: Format,
    pub part: Part,
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Artifact {
    /// The package's file name.
    pub fn file(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

#[derive(Debug, Serialize)]
pub struct StagePart {
    pub stage: Stage,
    pub status: Status,
    pub seconds: f64,
    pub key: Option<String>,
    pub log: Option<PathBuf>,
}

/// Either what a boot showed or the word that there was none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum BootPart {
    Done(Box<BootResult>),
    Skipped { verdict: &'static str },
}

#[derive(Debug, Serialize)]
pub struct ErrorPart {
    stage: Option<Stage>,
    exit: u8,
    message: String,
    facts: Vec<String>,
    next_step: Option<String>,
    log: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct Error {
    path: PathBuf,
    source: std::io::Error,
}

impl crate::base::error::Explain for Error {}

impl Report {
    /// Makes the output folder where it is missing.
    pub fn new(request: RequestPart, out: &Path) -> Result<Report, Error> {
        let error = |source| Error { path: out.to_owned(), source };
        std::fs::create_dir_all(out).map_err(error)?;
        Ok(Report {
            schema: SCHEMA,
            tool: Tool::own(),
            request,
            release: None,
            source: None,
            patches: Vec::new(),
            toolchain: None,
            kernel: None,
            artifacts: Vec::new(),
            evidence: Vec::new(),
            stages: Vec::new(),
            boot: None,
            error: None,
            path: out.join(FILE),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn planned(&mut self, plan: &KernelPlan) {
        self.release = Some(plan.release);
        self.toolchain = Some(ToolchainPart::of(plan));
    }

    pub fn resolved(&mut self, release: Release) {
        self.release = Some(release);
    }

    pub fn verified(&mut self, source: &VerifiedSource) {
        self.source = Some(Source {
            origin: source.origin,
            url: source.url.clone(),
            sha256: source.sha256.clone(),
            verified_by: source.verified_by.clone(),
        });
    }

    pub fn built(&mut self, plan: &KernelPlan, build: &KernelBuild) {
        self.kernel = Some(Kernel {
            release: build.release.clone(),
            image: build.image(),
            image_sha256: build.image_sha256.clone(),
            config_sha256: build.config_sha256.clone(),
            signed_by: build.signed_by.clone(),
            timestamp: Some(build.timestamp),
            patches_borrowed_from: plan.series.borrowed_from,
        });
    }

    pub fn packaged(&mut self, packages: &[Package]) {
        let artifact = |package: &Package| Artifact {
            path: package.path.clone(),
            kind: package.format,
            part: package.part,
            name: package.name.clone(),
            bytes: package.bytes,
            sha256: package.sha256.clone(),
        };
        self.artifacts = packages.iter().map(artifact).collect();
    }

    pub fn failed(&mut self, failure: &Failure) {
        self.error = Some(ErrorPart {
            stage: failure.stage,
            exit: failure.exit as u8,
            message: failure.message(),
            facts: failure.facts.clone(),
            next_step: failure.next_step.clone(),
            log: failure.log.clone(),
        });
    }

    pub fn stage_ended(
        &mut self,
        stage: Stage,
        status: Status,
        seconds: f64,
        key: Option<String>,
        log: Option<PathBuf>,
    ) {
        self.stages.push(StagePart { stage, status, seconds, key, log });
    }

    pub fn booted(&mut self, result: BootResult) {
        self.boot = Some(BootPart::Done(Box::new(result)));
    }

    pub fn skipped_boot(&mut self) {
        self.boot = Some(BootPart::Skipped { verdict: "skipped" });
    }

    /// How the whole run ended, where no stage failed.
    pub fn exit(&self) -> Exit {
        match &self.boot {
            Some(BootPart::Done(result)) if !result.passed() => Exit::VerdictFailed,
            _ => Exit::Passed,
        }
    }

    pub fn request(&self) -> &RequestPart {
        &self.request
    }

    /// The packages.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    /// What the request resolved to, as soon as that is known.
    pub fn release(&self) -> Option<Release> {
        self.release
    }

    /// The built kernel's image.
    pub fn image(&self) -> Option<&Path> {
        self.kernel.as_ref().map(|kernel| kernel.image.as_path())
    }

    /// The last lines of a run, for people.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for artifact in &self.artifacts {
            text += &format!("{}\n", artifact.path.display());
        }
        for document in &self.evidence {
            text += &format!("{}\n", document.path.display());
        }
        text += &format!("{}\n", self.path.display());
        if let Some(BootPart::Done(result)) = &self.boot {
            text += &result.summary();
        }
        text
    }

    /// Replaces the file atomically; what it holds now.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let write = || {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            files::replace(&self.path, &text)?;
            Ok(text)
        };
        write().map_err(|source| Error { path: self.path.clone(), source })
    }
}

impl ToolchainPart {
    /// Rust's programs only where the kernel is made with them.
    pub fn of(plan: &KernelPlan) -> ToolchainPart {
        let tools = &plan.toolchain;
        let rust = |part: fn(&RustToolchain) -> &String| tools.rust.as_ref().map(|rust| part(rust).clone());
        ToolchainPart {
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
