//! Verify: nothing reads a source before it is known to be what its makers published.

use crate::context::Context;
use crate::fetch::{Origin, Tarball};
use crate::key::Key;
use crate::release::Release;

/// A source that may be unpacked.
#[derive(Debug)]
pub struct VerifiedTarball {
    pub release: Release,
    pub origin: Origin,
    /// Address or path that it came from.
    pub url: String,
    /// Of the archive; of the commit's tree for git, of the files for a directory.
    pub sha256: String,
    /// The chain of trust in words; `None` only with `--no-verify`.
    pub verified_by: Option<String>,
    /// Names the content, whatever its origin.
    pub key: Key,
    // H1: what unpack needs
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn verify(_cx: &Context, _tarball: Tarball) -> Result<VerifiedTarball, Error> {
    todo!("H1")
}
