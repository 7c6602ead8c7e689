//! The facts in both documents, collected once.

use super::Error;
use crate::base::digest::sha256;
use crate::base::files;
use crate::kernel::KernelPlan;
use crate::kernel::toolchain::Toolchain;
use crate::report::{RequestRecord, Source, Tool};
use crate::stages::build::KernelBuild;
use crate::stages::package::Package;
use crate::stages::patch::AppliedPatch;

/// The inputs and results of the run that wrote a set of packages.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The plan of the kernel.
    pub(crate) plan: &'a KernelPlan,
    /// The request in the form of the report.
    pub(crate) request: &'a RequestRecord,
    /// The verified source.
    pub(crate) source: &'a Source,
    /// The plan's patches, in the same order, each with its status.
    pub(crate) patches: &'a [AppliedPatch],
    /// The kernel in the packages, after signing.
    pub(crate) build: &'a KernelBuild,
    /// The packages to describe.
    pub(crate) packages: &'a [Package],
}

/// A program that took part in building the kernel.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) version: String,
    /// The output of its `--version`.
    pub(super) version_text: String,
}

impl Program {
    /// From `GNU ld 2.40`: the version is the last word.
    fn new(name_and_version: &str, version_text: &str) -> Program {
        let (name, version) = name_and_version.rsplit_once(' ').unwrap_or((name_and_version, ""));
        Program { name: name.to_owned(), version: version.to_owned(), version_text: version_text.to_owned() }
    }

    /// Package URL of type `generic`: the program comes from no registry
    /// (<https://github.com/package-url/purl-spec>).
    pub(super) fn purl(&self) -> String {
        let name = self.name.to_ascii_lowercase().replace(' ', "-");
        format!("pkg:generic/{name}@{}", self.version.replace('+', "%2B"))
    }
}

impl Facts<'_> {
    /// The time in image and packages, in seconds since the epoch.
    pub(super) fn timestamp(&self) -> i64 {
        self.build.timestamp
    }

    /// This tool and the toolchain, by version and never by path: paths differ between machines.
    pub(super) fn programs(&self) -> Vec<Program> {
        let Toolchain { cc_version, cc_text, ld_version, rust, pahole_version, .. } = &self.plan.toolchain;
        let this = Tool::this();
        let mut programs = vec![
            Program::new(&format!("kpatch-build {}", this.version), &this.to_string()),
            Program::new(cc_version, cc_text),
            Program::new(ld_version, ld_version),
        ];
        if let Some(rust) = rust {
            let libclang = rust.libclang_version.replacen("clang", "libclang", 1);
            programs.push(Program::new(&rust.rustc_version, &rust.rustc_text));
            programs.push(Program::new(&rust.bindgen_version, &rust.bindgen_version));
            programs.push(Program::new(&libclang, &rust.libclang_version));
        }
        programs.extend(pahole_version.iter().map(|version| Program::new(version, version)));
        programs
    }

    /// Each patch with its text.
    pub(super) fn patches(&self) -> impl Iterator<Item = (&AppliedPatch, &[u8])> {
        let texts = self.plan.series.in_order().map(|patch| patch.content.as_slice());
        self.patches.iter().zip(texts)
    }

    /// The kernel's final configuration and its SHA-256.
    pub(super) fn config(&self) -> Result<(Vec<u8>, String), Error> {
        let text = files::read(&self.build.config(), files::LONGEST_DOCUMENT)?;
        let sha256 = sha256(&text);
        Ok((text, sha256))
    }
}

/// The patch's name without directories of this machine. Shipped patches keep `patches/…`.
pub(super) fn patch_name(patch: &AppliedPatch) -> &str {
    match patch.file.starts_with("patches/") {
        true => &patch.file,
        false => patch.file.rsplit('/').next().unwrap_or(&patch.file),
    }
}

/// The package's file name: `linux-image-….deb`.
pub(super) fn file_name(package: &Package) -> String {
    package.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
