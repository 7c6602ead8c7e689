//! Errors of the Secure Boot stage.

use std::io;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::stop::Interrupted;
use crate::base::store;
use crate::base::x509::{KeyError, SignError};

/// Why the kernel was not signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed; the error names operation and path.
    // Not transparent: `full_disk` searches the sources for an `io::Error`.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The image has no room for a signature, has one already, or is not a PE file.
    #[error("cannot sign the image {}: {why}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// The kernel's configuration names a hash that this tool does not support.
    #[error("cannot sign modules with CONFIG_MODULE_SIG_HASH={name:?}")]
    Hash {
        /// The value in the kernel's configuration.
        name: String,
    },
    /// The kernel searches for the signature at the end of an uncompressed module.
    #[error("cannot sign the module {}: it is compressed, and the kernel would not find the signature", path.display())]
    Compressed {
        /// The module.
        path: PathBuf,
    },
    /// The key or its certificate changed since the run began.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key cannot sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Key(error) => Some(error),
            Error::Store(error) => Some(error),
            Error::Interrupted(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            // Not wrong usage: the kernel is built.
            Error::Key(_) => Exit::StageFailed,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Image { .. } => Some("build the kernel with CONFIG_EFI_STUB=y".to_owned()),
            Error::Hash { .. } => Some("add CONFIG_MODULE_SIG_SHA512=y to the kconfig".to_owned()),
            Error::Compressed { .. } => Some(
                "disable module compression in the kconfig; the packages are compressed as a whole"
                    .to_owned(),
            ),
            _ => self.inner()?.next_step(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::full_disk;

    #[test]
    fn a_full_disk_is_recognised() {
        assert!(full_disk(&Error::from(io::Error::from(io::ErrorKind::StorageFull))));
        assert!(!full_disk(&Error::from(io::Error::from(io::ErrorKind::NotFound))));
    }
}
