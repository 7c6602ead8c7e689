//! Signed documents that earlier runs read. A mirror that is behind, or that lies, must not replace one by an older one.

use std::path::PathBuf;

use fs_err as fs;

use super::cache_key::Key;
use super::context::Context;
use super::events::Stage;
use super::files;
use super::store::{Bucket, Entry, Error};

/// The place of one document in the store, locked for this run.
#[derive(Debug)]
pub(crate) struct Seen {
    path: PathBuf,
    _entry: Entry,
}

impl Seen {
    /// The document `name` of the entry with this key.
    ///
    /// # Errors
    /// See [`Context::lease`].
    pub(crate) fn open(cx: &Context, key: &Key, name: &str) -> Result<Seen, Error> {
        let entry = cx.lease(Stage::Fetch, Bucket::Releases, key.as_str())?;
        Ok(Seen { path: entry.path().join(name), _entry: entry })
    }

    /// The document of an earlier run. It may have been damaged since.
    pub(crate) fn document(&self) -> Option<Vec<u8>> {
        fs::read(&self.path).ok()
    }

    /// Replaces the document.
    ///
    /// # Errors
    /// The store cannot be written to.
    pub(crate) fn keep(&self, document: &[u8]) -> Result<(), Error> {
        Ok(files::replace(&self.path, document)?)
    }
}
