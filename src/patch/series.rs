//! A series: its metadata, its patches for a release, its claims.

use crate::claims::Claim;
use crate::release::Line;

/// A series as it will be applied to one release.
#[derive(Clone, Debug)]
pub struct Series {
    /// Goes into the kernel release: `copy-segments`.
    pub name: String,
    pub title: String,
    pub patches: Vec<PatchFile>,
    /// Build fixes that this release needs with this compiler, applied first.
    pub compat: Vec<PatchFile>,
    pub claims: Vec<Claim>,
    /// The line the patches were written for, where it is not the release's own: untested.
    pub borrowed_from: Option<Line>,
}

#[derive(Clone, Debug)]
pub struct PatchFile {
    /// As shown: `patches/zeroed/6.1/0001-….patch`.
    pub name: String,
    pub content: Vec<u8>,
}
