//! The request for the tool's own packages, and the documents that both formats include.

use std::path::PathBuf;

use crate::base::options::{Compression, Format};

/// Name of the package and of the program in it. Distributions already have a `kpatch-build`, the
/// live-patching tool.
pub const NAME: &str = "kpatch-build-kernel";

/// Instructions for the administrator who installed the package.
pub(super) const README: &str = include_str!("../../../packaging/tool/README");
pub(super) const CHANGELOG: &str = include_str!("../../../CHANGELOG.md");
/// The crates in the program, with their versions.
pub(super) const LOCK: &str = include_str!("../../../Cargo.lock");

/// The licences and copyright notices of the linked crates.
pub(super) const NOTICES: &str = include_str!("../../../packaging/tool/THIRD-PARTY.md");

/// Contents of the tool's packages, and settings for writing them.
#[derive(Clone, Debug)]
pub struct SelfPackageRequest {
    /// The program file.
    pub program: PathBuf,
    /// Version in Cargo's notation: `0.1.0`, `0.1.0-rc.1`.
    pub version: String,
    /// Git commit that the program was built from; `None` outside a git checkout.
    pub commit: Option<String>,
    /// Package revision: higher for a rebuild of the same version.
    pub revision: u32,
    /// Manual pages by file name, including `kpatch-build-kernel.1`.
    pub manual: Vec<(String, Vec<u8>)>,
    /// Shell completion scripts.
    pub completions: Completions,
    /// Date of the packages and of their files, in seconds since the epoch.
    pub timestamp: i64,
    /// Formats to write.
    pub formats: Vec<Format>,
    /// Compression of the archives inside the packages.
    pub compression: Compression,
    /// Number of compression threads; the packages do not depend on it.
    pub jobs: usize,
    /// Output directory; it must exist.
    pub out: PathBuf,
}

/// A completion script for each shell.
#[derive(Clone, Debug)]
pub struct Completions {
    /// For bash.
    pub bash: Vec<u8>,
    /// For fish.
    pub fish: Vec<u8>,
    /// For zsh.
    pub zsh: Vec<u8>,
}
