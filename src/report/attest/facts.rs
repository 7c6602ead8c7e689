//! What both documents say, gathered once.

use std::fs;

use sha2::{Digest, Sha256};

use super::Error;
use crate::base::cache_key::hex;
use crate::kernel::KernelPlan;
use crate::kernel::toolchain::Toolchain;
use crate::report::{self, RequestPart, Source};
use crate::stages::build::KernelBuild;
use crate::stages::package::Package;
use crate::stages::patch::AppliedPatch;

/// Everything that a set of packages was made from and by.
#[derive(Debug)]
pub struct Facts<'a> {
    pub plan: &'a KernelPlan,
    pub request: &'a RequestPart,
    pub source: &'a Source,
    pub patches: &'a [AppliedPatch],
    pub build: &'a KernelBuild,
    pub packages: &'a [Package],
}

/// A program that took part in making the kernel.
#[derive(Debug)]
pub(super) struct Tool {
    pub name: String,
    pub version: String,
    /// What it says of itself.
    pub said: String,
}

impl Tool {
    /// From `GNU ld 2.40`: the version is the last word.
    fn new(named: &str, said: &str) -> Tool {
        let (name, version) = named.rsplit_once(' ').unwrap_or((named, ""));
        Tool { name: name.to_owned(), version: version.to_owned(), said: said.to_owned() }
    }

    /// <https://github.com/package-url/purl-spec>: this tool was not got from any registry.
    pub fn purl(&self) -> String {
        let name = self.name.to_ascii_lowercase().replace(' ', "-");
        format!("pkg:generic/{name}@{}", self.version.replace('+', "%2B"))
    }
}

impl Facts<'_> {
    /// The time in image and packages, seconds since the epoch.
    pub fn made(&self) -> i64 {
        self.build.timestamp
    }

    /// By their versions, never by where they lie on the machine.
    pub(super) fn tools(&self) -> Vec<Tool> {
        let Toolchain { cc_version, cc_text, ld_version, rust, pahole_version, .. } = &self.plan.toolchain;
        let own = report::Tool::own();
        let name = format!("kpatch-build {}", own.version);
        let mut tools = vec![
            Tool::new(&name, &own.to_string()),
            Tool::new(cc_version, cc_text),
            Tool::new(ld_version, ld_version),
        ];
        if let Some(rust) = rust {
            tools.push(Tool::new(&rust.rustc_version, &rust.rustc_text));
            tools.push(Tool::new(&rust.bindgen_version, &rust.bindgen_version));
            tools.push(Tool::new(
                &rust.libclang_version.replacen("clang", "libclang", 1),
                &rust.libclang_version,
            ));
        }
        tools.extend(pahole_version.iter().map(|version| Tool::new(version, version)));
        tools
    }

    /// Each patch with its text.
    pub(super) fn patches(&self) -> impl Iterator<Item = (&AppliedPatch, &[u8])> {
        let texts = self.plan.series.in_order().map(|patch| patch.content.as_slice());
        self.patches.iter().zip(texts)
    }

    /// The kernel's final configuration and its SHA-256.
    pub(super) fn config(&self) -> Result<(Vec<u8>, String), Error> {
        let path = self.build.config();
        let text = fs::read(&path).map_err(|source| Error::Read { path, source })?;
        let sha256 = hex(&Sha256::digest(&text));
        Ok((text, sha256))
    }
}

/// A patch's name without the folders of the machine: shipped ones have none in front of `patches/`.
pub(super) fn patch_name(patch: &AppliedPatch) -> &str {
    match patch.file.starts_with("patches/") {
        true => &patch.file,
        false => patch.file.rsplit('/').next().unwrap_or(&patch.file),
    }
}

/// `linux-image-….deb`.
pub(super) fn file_name(package: &Package) -> String {
    package.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
