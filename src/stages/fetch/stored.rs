//! The record that lies beside every archive of the store, so that `--offline` knows what it is.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::offer::{Evidence, Origin};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::release::Release;
use crate::base::store::{Entry, Lookup, Room, Store};

const ARCHIVE: &str = "archive";
const RECORD: &str = "meta.json";

/// `meta.json` of an entry of [`Room::Tarballs`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub release: Release,
    pub origin: Origin,
    pub url: String,
    /// The chain of trust in words, once it was followed to its end.
    pub verified_by: Option<String>,
    /// Fingerprint of the certificate at the top of the chain; `None` for a pin.
    pub signer: Option<String>,
}

impl Stored {
    pub fn read(entry: &Path) -> Option<Stored> {
        serde_json::from_slice(&fs::read(entry.join(RECORD)).ok()?).ok()
    }

    pub fn write(&self, entry: &Path) -> io::Result<()> {
        write(self, entry)
    }

    /// What the record says, as evidence for the archive of that checksum.
    pub fn evidence(&self, sha256: &str) -> Option<Evidence> {
        let chain = self.verified_by.clone()?;
        Some(Evidence::Checksum { sha256: sha256.to_owned(), chain, signer: self.signer.clone() })
    }
}

/// Replaces the record in one step, so that a kill leaves the old or the new one.
pub fn write(record: &impl Serialize, entry: &Path) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(entry)?;
    serde_json::to_writer_pretty(&mut file, record)?;
    file.persist(entry.join(RECORD)).map_err(|error| error.error)?;
    Ok(())
}

pub fn archive(entry: &Path) -> PathBuf {
    entry.join(ARCHIVE)
}

/// Every archive of the store that has a record.
pub fn all(store: &Store) -> Result<Vec<(String, Stored)>, Error> {
    let entries = store.entries(Room::Tarballs)?;
    let read = |sha256: String| {
        let stored = Stored::read(&store.path(Room::Tarballs, &sha256))?;
        Some((sha256, stored))
    };
    Ok(entries.into_iter().filter_map(read).collect())
}

/// The entry, if it is there.
pub fn find(cx: &Context, sha256: &str) -> Result<Option<Entry>, Error> {
    if !cx.store.contains(Room::Tarballs, sha256) {
        return Ok(None);
    }
    match cx.lookup(Stage::Fetch, Room::Tarballs, sha256)? {
        Lookup::Hit(entry) => Ok(Some(entry)),
        Lookup::Miss(_) => Ok(None),
    }
}

/// Moves a complete file into the store. It must lie in the store's file system.
pub fn land(cx: &Context, file: &Path, sha256: &str, record: &impl Serialize) -> Result<Entry, Error> {
    match cx.lookup(Stage::Fetch, Room::Tarballs, sha256)? {
        Lookup::Hit(entry) => Ok(entry),
        Lookup::Miss(slot) => {
            let place = archive(slot.path());
            let write = |source| Error::Write { path: place.clone(), source };
            fs::rename(file, &place).map_err(write)?;
            self::write(record, slot.path()).map_err(write)?;
            Ok(slot.commit()?)
        }
    }
}
