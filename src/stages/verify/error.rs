//! Errors of the verify stage.

use std::io;
use std::path::PathBuf;

use crate::base::error::Explain;
use crate::base::openpgp::verify::SignatureError;
use crate::base::stop::Interrupted;
use crate::base::store;
use crate::stages::fetch::source;

/// Why a source cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An archive changed since it was stored.
    #[error("the archive in the store was altered: {}", path.display())]
    StoreAltered {
        /// The archive.
        path: PathBuf,
        /// SHA-256 as 64 hexadecimal digits; names the store's entry.
        expected: String,
        /// SHA-256 as 64 hexadecimal digits.
        actual: String,
    },
    /// An archive has another checksum than a proof of it.
    #[error("{url} was altered: its SHA-256 is {actual}, not {expected}")]
    Altered {
        /// Address or path of the archive.
        url: String,
        /// SHA-256 as 64 hexadecimal digits.
        expected: String,
        /// SHA-256 as 64 hexadecimal digits.
        actual: String,
    },
    /// The signature of an archive or tag is bad or not accepted.
    #[error("the signature of {url} does not verify")]
    Signature {
        /// Address or path of the source.
        url: String,
        /// The cause.
        source: SignatureError,
    },
    /// The source has no proof that this host can check.
    #[error("cannot verify {url}: {reason}")]
    Unverified {
        /// Address or path of the source.
        url: String,
        /// The missing proof.
        reason: String,
    },
    /// A tag was signed under another name.
    #[error("{url} is a tag that was signed as {signed}")]
    OtherTag {
        /// Address or path of the repository, with the reference.
        url: String,
        /// The name in the signed text.
        signed: String,
    },
    /// git cannot read the repository.
    #[error("cannot read the git repository of {url}")]
    Git {
        /// Address or path of the repository, with the reference.
        url: String,
        /// The cause.
        source: git2::Error,
    },
    /// The content of the source cannot be read.
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

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Content(source) => Some(source),
            Error::Store(source) => Some(source),
            Error::Interrupted(source) => Some(source),
            _ => None,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::StoreAltered { expected, actual, .. } => {
                vec![format!("SHA-256 expected: {expected}"), format!("SHA-256 found: {actual}")]
            }
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            Error::StoreAltered { expected, .. } => {
                format!("remove it and run again: kpatch-build cache remove tarballs/{expected}")
            }
            Error::Altered { .. } | Error::Signature { .. } => {
                "retry; if it persists, use another mirror and report this one".to_owned()
            }
            Error::Unverified { .. } => {
                "pass a --keyring with the signer's key, or accept the source with --no-verify".to_owned()
            }
            _ => return self.inner()?.next_step(),
        })
    }
}
