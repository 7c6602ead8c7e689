//! Errors of the unpack stage.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::archive::path::Unsafe;
use crate::base::archive::writer::EntryError;
use crate::base::cache_key::Key;
use crate::base::error::Explain;
use crate::base::release::Release;
use crate::base::stop::Interrupted;
use crate::base::store;
use crate::kernel::version::Version;
use crate::stages::fetch::source;

/// Why a source cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An entry could write outside of the tree.
    #[error("{url} is not safe to unpack: {}: {reason}", entry.display())]
    Unsafe {
        /// Address or path of the source.
        url: String,
        /// The entry, as the source names it.
        entry: PathBuf,
        /// The rule that the entry violates.
        reason: Unsafe,
    },
    /// The archive has more than one entry at its top.
    #[error("{url} does not have a single top directory: {} is not below {}", entry.display(), top.display())]
    SeveralTops {
        /// Address or path of the source.
        url: String,
        /// The first directory.
        top: PathBuf,
        /// An entry outside of it.
        entry: PathBuf,
    },
    /// The source has no kernel.
    #[error("{url} is not a kernel source: {reason}")]
    NotAKernel {
        /// Address or path of the source.
        url: String,
        /// The missing part.
        reason: &'static str,
    },
    /// The top Makefile names another version than expected.
    #[error("{url} contains {found}, not {wanted}")]
    OtherRelease {
        /// Address or path of the source.
        url: String,
        /// The version in the Makefile.
        found: Version,
        /// The expected release.
        wanted: Release,
    },
    /// The user's directory changed between verification and copy.
    #[error("{} changed while it was copied", directory.display())]
    Changed {
        /// The directory.
        directory: PathBuf,
    },
    /// The store's tree changed since it was unpacked.
    #[error("the source tree {key} of the store is damaged: {damage}")]
    DamagedTree {
        /// The key of the unpack stage.
        key: Key,
        /// The first file that differs.
        damage: String,
    },
    /// The archive ends early or cannot be decompressed.
    #[error("cannot read {url}: it is truncated or damaged")]
    Damaged {
        /// Address or path of the source.
        url: String,
        /// The cause.
        source: io::Error,
    },
    /// The file is no tar archive, or its compression is not supported.
    #[error("cannot read {url}: {reason}")]
    NotATar {
        /// Address or path of the source.
        url: String,
        /// The reason.
        reason: String,
    },
    /// git cannot read the repository.
    #[error("cannot read the git repository of {url}")]
    Git {
        /// Address or path of the repository, with the reference.
        url: String,
        /// The cause.
        source: git2::Error,
    },
    /// The content of the source cannot be listed.
    #[error(transparent)]
    Content(#[from] source::Error),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[from] store::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// The error for an entry that could not be written.
    pub(super) fn at(url: &str, entry: &Path, error: EntryError) -> Error {
        match error {
            EntryError::Unsafe(reason) => {
                Error::Unsafe { url: url.to_owned(), entry: entry.to_owned(), reason }
            }
            EntryError::Read(source) => Error::Damaged { url: url.to_owned(), source },
            EntryError::Write(source) => Error::Io(source),
        }
    }
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Content(source) => Some(source),
            Error::Store(source) => Some(source),
            Error::Interrupted(source) => Some(source),
            _ => None,
        }
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            Error::Unsafe { .. } => {
                "if the source is your own, remove this entry from it; otherwise get it from another source"
                    .to_owned()
            }
            Error::NotATar { .. } => "pack it again as .tar.xz, .tar.gz or .tar.zst".to_owned(),
            Error::DamagedTree { .. } => "run the same command again: it unpacks the tree anew".to_owned(),
            Error::Changed { .. } => "retry when no other program writes to it".to_owned(),
            Error::OtherRelease { found, .. } if found.extra.is_empty() => {
                format!("request the release that it contains: --release {}", found.release())
            }
            Error::OtherRelease { .. } => {
                "clear EXTRAVERSION in its Makefile; use --localversion to name your kernel".to_owned()
            }
            _ => return self.inner()?.next_step(),
        })
    }
}
