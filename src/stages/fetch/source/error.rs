//! Errors of reading the content of a source.

use std::io;

use crate::base::error::Explain;
use crate::base::stop::Interrupted;

/// Why the content of a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// git cannot read the repository.
    #[error("cannot read the git repository of {url}")]
    Git {
        /// Address or path, with the reference.
        url: String,
        /// The cause.
        source: git2::Error,
    },
    /// The repository is a partial clone.
    #[error("the git repository of {url} lacks {missing} of the release's files, {example} among them")]
    MissingObjects {
        /// Address or path, with the reference.
        url: String,
        /// Number of files without their content.
        missing: usize,
        /// The path of one of them.
        example: String,
    },
    /// A file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Interrupted(source) => Some(source),
            _ => None,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::MissingObjects { .. } => {
                Some("fetch the missing objects (git fetch --refetch) or use a complete clone".to_owned())
            }
            _ => None,
        }
    }
}
