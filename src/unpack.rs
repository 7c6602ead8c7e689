//! Unpack: from a verified archive to a pristine source tree in the store, path-safe.

use std::path::PathBuf;

use crate::context::Context;
use crate::key::Key;
use crate::release::Release;
use crate::store::Entry;
use crate::verify::VerifiedTarball;

/// The store's tree of one release, held exclusively. Patches may still be applied to it from
/// an earlier run; the patch stage puts that right.
#[derive(Debug)]
pub struct SourceTree {
    /// The store's entry: `linux/` with the tree, and beside it the patch stage's journal.
    pub entry: Entry,
    pub release: Release,
    pub key: Key,
    /// When the release was made, seconds since the epoch: the top Makefile's time in the
    /// archive, or the tag's.
    pub made: i64,
}

impl SourceTree {
    /// The top folder of the kernel's source.
    pub fn path(&self) -> PathBuf {
        self.entry.path().join("linux")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn unpack(_cx: &Context, _source: &VerifiedTarball) -> Result<SourceTree, Error> {
    todo!("H1")
}
