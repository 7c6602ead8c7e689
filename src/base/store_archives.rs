//! The store's archives: an entry of [`Bucket::Tarballs`] has the SHA-256 of its file `archive` as its
//! name and a record of its origin in `meta.json`.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
use super::digest::hash_file;
use super::events::Stage;
use super::files;
use super::store::{Bucket, Entry, Error, Lookup};

/// The archive of the entry at `entry`.
pub(crate) fn archive(entry: &Path) -> PathBuf {
    entry.join("archive")
}

fn record(entry: &Path) -> PathBuf {
    entry.join("meta.json")
}

/// Reads the record of the entry at `entry`; `None` if it is missing or of another form.
pub(crate) fn read_record<R: DeserializeOwned>(entry: &Path) -> Option<R> {
    serde_json::from_slice(&fs::read(record(entry)).ok()?).ok()
}

/// Replaces the record in one step: a killed run leaves the old one or the new one.
pub(crate) fn write_record(entry: &Path, content: &impl Serialize) -> io::Result<()> {
    files::replace(&record(entry), &serde_json::to_vec_pretty(content)?)
}

/// The entry of the archive with this SHA-256, if the store has it. A damaged archive is removed, with a note.
pub(crate) fn find(cx: &Context, sha256: &str) -> Result<Option<Entry>, Error> {
    if !cx.store.contains(Bucket::Tarballs, sha256) {
        return Ok(None);
    }
    let Lookup::Hit(entry) = cx.lookup(Stage::Fetch, Bucket::Tarballs, sha256)? else { return Ok(None) };
    match hash_file::<Error>(&archive(entry.path()), &cx.stop) {
        Ok(found) if found == sha256 => return Ok(Some(entry)),
        Ok(_) | Err(Error::Io(_)) => {}
        Err(error) => return Err(error),
    }
    cx.events.note(Stage::Fetch, format!("the archive {sha256} of the store is damaged and fetched again"));
    drop(entry);
    cx.store.remove(Bucket::Tarballs, sha256, &cx.stop)?;
    Ok(None)
}

/// Moves a complete file, which must be on the store's file system, into the store.
///
/// An existing entry stays unchanged.
pub(crate) fn insert<E>(cx: &Context, file: &Path, sha256: &str, content: &impl Serialize) -> Result<Entry, E>
where
    E: From<Error> + From<io::Error>,
{
    if let Some(entry) = find(cx, sha256)? {
        return Ok(entry);
    }
    match cx.lookup(Stage::Fetch, Bucket::Tarballs, sha256)? {
        Lookup::Hit(entry) => Ok(entry),
        Lookup::Miss(slot) => {
            fs::rename(file, archive(slot.path()))?;
            write_record(slot.path(), content)?;
            Ok(slot.commit()?)
        }
    }
}
