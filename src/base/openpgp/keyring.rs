//! Keyring files: certificates that the user or the distribution trusts.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::verify::Certificates;
use crate::base::error::Explain;
use crate::base::files;

/// The most bytes of a keyring. That of all Debian developers has about 30 MB.
const LONGEST_KEYRING: u64 = 64 << 20;

/// Why a keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read.
    #[error("cannot read the keyring {}", path.display())]
    Read {
        /// The keyring file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file has no certificate that this reader understands.
    #[error("the keyring {} contains no usable certificate", path.display())]
    Empty {
        /// The keyring file.
        path: PathBuf,
    },
}

impl Explain for KeyringError {}

/// Reads a keyring, binary or armoured, which must contain at least one usable certificate.
pub(crate) fn read_keyring(path: &Path) -> Result<Certificates, KeyringError> {
    let bytes = files::read(path, LONGEST_KEYRING)
        .map_err(|source| KeyringError::Read { path: path.to_owned(), source })?;
    let certificates = Certificates::parse(&bytes);
    if certificates.is_empty() {
        return Err(KeyringError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

/// The certificates of all keyrings in `paths`.
///
/// An unusable keyring is skipped: at worst a signature stays untrusted, and the verification reports that.
pub(crate) fn read_keyrings(paths: &[PathBuf]) -> Certificates {
    let mut all = Certificates::default();
    for path in paths {
        all.add(read_keyring(path).unwrap_or_default());
    }
    all
}

/// The files of a directory of keyrings; empty if the directory cannot be read.
pub(crate) fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
