//! The journal of a source tree in the store: which of its files a series may have changed.
//!
//! The patch stage writes the journal; the unpack stage reads it to know which files must be as unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::base::digest::sha256;

/// The file `state.json` of the store's entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreeJournal {
    /// Key of the series in the tree; `None` during a switch.
    pub(crate) applied: Option<String>,
    /// Every file that may differ from its original.
    pub(crate) touched: BTreeMap<PathBuf, Original>,
    /// Directories that a series created.
    #[serde(rename = "folders")]
    pub(crate) directories: BTreeSet<PathBuf>,
}

/// The original of a touched file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Original {
    Absent,
    File {
        sha256: String,
        mode: u32,
    },
    /// A symbolic link; the journal itself is its original.
    Link {
        target: String,
    },
}

impl TreeJournal {
    /// The journal of the tree in the store's entry `entry`.
    pub(crate) fn path(entry: &Path) -> PathBuf {
        entry.join("state.json")
    }

    /// The original of the touched file `path`.
    pub(crate) fn original(entry: &Path, path: &Path) -> PathBuf {
        entry.join("pristine").join(path)
    }

    /// Reads the journal; `None` if no series was ever applied.
    ///
    /// # Errors
    /// The journal exists and cannot be read.
    pub(crate) fn read(entry: &Path) -> io::Result<Option<TreeJournal>> {
        match fs::read(TreeJournal::path(entry)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A touched file whose original is missing or altered.
    ///
    /// # Errors
    /// An original exists and cannot be read.
    pub(crate) fn lost_original(&self, entry: &Path) -> io::Result<Option<&Path>> {
        for (path, original) in &self.touched {
            let Original::File { sha256: expected, .. } = original else { continue };
            match fs::read(TreeJournal::original(entry, path)) {
                Ok(content) if sha256(&content) == *expected => {}
                Ok(_) => return Ok(Some(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(path)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
