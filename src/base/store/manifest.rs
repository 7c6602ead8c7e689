//! The manifest of an entry: path, length and SHA-256 of every file, by which a later run notices damage.
//!
//! Manifests lie outside their entries, because some entries are packaged as a whole.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::base::digest::hash_file;
use crate::base::stop::Stop;

/// The files and links of a directory, by their paths relative to it.
///
/// Bytes of a path that are not UTF-8 appear as `\xNN`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest(BTreeMap<String, Item>);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Item {
    File { bytes: u64, sha256: String },
    Link { target: String },
}

impl Manifest {
    /// Reads every file below `dir`.
    ///
    /// # Errors
    /// A file cannot be read, or `stop` is set meanwhile.
    pub(super) fn of(dir: &Path, stop: &Stop) -> Result<Manifest, Error> {
        let mut items = BTreeMap::new();
        add(&mut items, dir, "", stop)?;
        Ok(Manifest(items))
    }

    /// Names the first difference between the manifest and `dir`; `None` if there is none.
    ///
    /// # Errors
    /// `stop` is set meanwhile. A file that cannot be read is a difference.
    pub(super) fn difference(&self, dir: &Path, stop: &Stop) -> Result<Option<String>, Error> {
        let found = match Manifest::of(dir, stop) {
            Ok(found) => found.0,
            Err(Error::Io(error)) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        };
        for (path, item) in &self.0 {
            match found.get(path) {
                None => return Ok(Some(format!("{path} is missing"))),
                Some(other) if other != item => return Ok(Some(format!("{path} has another content"))),
                Some(_) => {}
            }
        }
        let added = found.keys().find(|path| !self.0.contains_key(*path));
        Ok(added.map(|path| format!("{path} was added")))
    }
}

fn add(items: &mut BTreeMap<String, Item>, dir: &Path, prefix: &str, stop: &Stop) -> Result<(), Error> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", text(entry.file_name().as_bytes()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add(items, &entry.path(), &format!("{path}/"), stop)?;
        } else if kind.is_symlink() {
            let target = text(fs::read_link(entry.path())?.as_os_str().as_bytes());
            items.insert(path, Item::Link { target });
        } else {
            let (bytes, sha256) = (entry.metadata()?.len(), hash_file::<Error>(&entry.path(), stop)?);
            items.insert(path, Item::File { bytes, sha256 });
        }
    }
    Ok(())
}

/// Bytes that are not UTF-8 appear as `\xNN`.
fn text(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}
