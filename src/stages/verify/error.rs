//! What can go wrong while a source is verified.

use std::io;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::openpgp::verify::SignatureError;
use crate::base::store;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the archive in the store was altered: {}", path.display())]
    StoreAltered { path: PathBuf, expected: String, actual: String },
    #[error("{url} was altered: its SHA-256 is {actual} and should be {expected}")]
    Altered { url: String, expected: String, actual: String },
    #[error("{url} is not what its makers signed")]
    Signature { url: String, source: SignatureError },
    #[error("{url} cannot be verified: {why}")]
    Unverified { url: String, why: String },
    #[error("{url} is a tag that was signed as {signed}")]
    OtherTag { url: String, signed: String },
    #[error("cannot read the git repository of {url}")]
    Git { url: String, source: git2::Error },
    #[error("the git repository of {url} lacks {missing} of the release's files, {example} among them")]
    MissingObjects { url: String, missing: usize, example: String },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot use the store")]
    Store { source: store::Error },
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::StoreAltered { expected, actual, .. } => {
                vec![format!("SHA-256 expected: {expected}"), format!("SHA-256 found: {actual}")]
            }
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            Error::StoreAltered { expected, .. } => {
                format!("drop it and fetch it again: kpatch-build cache remove tarballs/{expected}")
            }
            Error::Altered { .. } | Error::Signature { .. } => {
                "run again; if it stays so, use another mirror and tell this one's keepers".to_owned()
            }
            Error::Unverified { .. } => {
                "give a --keyring that holds the signer's key, or accept it with --no-verify".to_owned()
            }
            Error::MissingObjects { .. } => {
                "fetch the missing objects (git fetch --refetch) or use a complete clone".to_owned()
            }
            _ => return None,
        })
    }
}

impl From<store::Error> for Error {
    fn from(source: store::Error) -> Self {
        match source {
            store::Error::Interrupted { .. } => Error::Interrupted,
            source => Error::Store { source },
        }
    }
}
