//! The record of a source archive in the store; `--offline` finds archives by their records.

use serde::{Deserialize, Serialize};

use super::offer::{Origin, Proof};
use crate::base::release::Release;
use crate::base::store::{self, Bucket, Store};
use crate::base::store_archives;

/// `meta.json` of a source archive in [`Bucket::Tarballs`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArchiveRecord {
    pub(crate) release: Release,
    pub(crate) origin: Origin,
    /// Address or path that the archive came from.
    pub(crate) url: String,
    /// The chain of trust as a sentence; `None` until the archive is verified.
    pub(crate) verified_by: Option<String>,
    /// Fingerprint of the certificate at the top of the chain; `None` for a pinned checksum.
    pub(crate) signer: Option<String>,
}

impl ArchiveRecord {
    /// The proof that an earlier run recorded for the archive with this SHA-256.
    pub(super) fn proof(&self, sha256: &str) -> Option<Proof> {
        let chain = self.verified_by.clone()?;
        Some(Proof::Checksum { sha256: sha256.to_owned(), chain, signer: self.signer.clone() })
    }
}

/// The SHA-256 and the record of each source archive of the store.
pub(super) fn all(store: &Store) -> Result<Vec<(String, ArchiveRecord)>, store::Error> {
    let entries = store.entries(Bucket::Tarballs)?;
    let read = |sha256: String| {
        let record = store_archives::read_record(&store.path(Bucket::Tarballs, &sha256))?;
        Some((sha256, record))
    };
    Ok(entries.into_iter().filter_map(read).collect())
}
