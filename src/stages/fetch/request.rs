//! The request for a source.

use std::path::PathBuf;

use super::keys::KeySource;
use super::pins::Pins;
use super::spec::SourceSpec;
use crate::base::context::Context;
use crate::base::release::ReleaseSpec;

/// The release to fetch, its sources, and the keys to verify them with.
#[derive(Clone, Debug)]
pub struct SourceRequest {
    /// The release, or the line whose newest release to fetch.
    pub release: ReleaseSpec,
    /// Where to find the release.
    pub source: SourceSpec,
    /// Accept a source without a signature or checksum.
    pub no_verify: bool,
    /// OpenPGP certificates to verify with, in addition to those of the host and of kernel.org.
    pub keyring: Option<PathBuf>,
    /// Base addresses of kernel.org mirrors, in the order to try; empty for kernel.org itself.
    pub kernel_org: Vec<String>,
    /// Base address of a Debian mirror; `None` for the mirror that apt on this host uses.
    pub debian_mirror: Option<String>,
    /// Use indexes of the Debian mirror that are no longer valid.
    pub accept_stale_index: bool,
    /// Directories that the run writes to besides the store; a source directory is copied without them.
    pub outputs: Vec<PathBuf>,
    /// The trusted keys and checksums of kernel.org; tests replace the default.
    pub pins: Pins,
}

impl SourceRequest {
    /// Where to find the certificates of the pinned signers.
    pub(super) fn key_source(&self, cx: &Context) -> KeySource {
        KeySource {
            keyring: self.keyring.clone(),
            directories: self.pins.key_directories.clone(),
            pins: self.pins.clone(),
            offline: cx.offline,
        }
    }
}
