//! Errors of the package stage.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Exit, Explain};
use crate::base::options::Part;
use crate::base::stop::Interrupted;
use crate::base::{process, store};

/// Why no packages were written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A package name or a path cannot contain the kernel release.
    #[error("the kernel release {release:?} cannot be part of a package name")]
    ReleaseName {
        /// `uname -r` of the kernel.
        release: String,
    },
    /// rpm stores timestamps in 32 bits.
    #[error("the kernel's timestamp {timestamp} is not between 1970 and 2106")]
    Timestamp {
        /// Seconds since the epoch.
        timestamp: i64,
    },
    /// A file operation failed; the error names operation and path.
    // Not transparent: `full_disk` searches the sources for an `io::Error`.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The package file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The package file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of the build has a type or a name that packages do not support.
    #[error("cannot package {}: not a file, directory or symbolic link with a name in UTF-8", path.display())]
    NotPackageable {
        /// The file.
        path: PathBuf,
    },
    /// A file has another size than when its checksums were computed.
    #[error("{} changed while it was being packaged", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The payload exceeds 4 GiB, which needs rpm tags that are not written here.
    #[error("the files of {package} are too large for an rpm without stripped headers ({bytes} bytes)")]
    TooLarge {
        /// The package name.
        package: String,
        /// Size of the file or of all files, in bytes.
        bytes: u64,
    },
    /// The build kept no files for a requested part.
    #[error("the build kept no files for the part {part:?}")]
    NotKept {
        /// The requested part.
        part: Part,
    },
    /// `depmod` is missing or failed.
    #[error("cannot list the dependencies of the modules")]
    Depmod(#[source] process::Error),
    /// `depmod` left out a file, whatever its exit status.
    #[error("the dependencies of the modules are incomplete")]
    DepmodOutput(#[source] io::Error),
    /// The rpm header cannot be built.
    #[error("cannot write the rpm header of {package}")]
    RpmHeader {
        /// The package name.
        package: String,
        /// The cause.
        source: Box<::rpm::Error>,
    },
    /// The store cannot be used.
    #[error("cannot use the store")]
    Store(#[source] store::Error),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Interrupted(error) => Some(error),
            Error::Store(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::ReleaseName { .. } => Exit::Usage,
            Error::Depmod(process::Error::Missing { .. }) => Exit::HostLacks,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::ReleaseName { .. } => {
                vec!["allowed: letters, digits and . _ + ~ -, starting with a digit".to_owned()]
            }
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Depmod(process::Error::Missing { .. }) => {
                Some("install kmod, or run kpatch-build doctor --install-deps".to_owned())
            }
            Error::ReleaseName { .. } => Some("use another --localversion".to_owned()),
            Error::Changed { .. } => {
                Some("run it again, and let no other program write to the store".to_owned())
            }
            _ => self.inner()?.next_step(),
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Depmod(error) => error.log_and_tail(),
            _ => self.inner().map_or((None, &[]), Explain::log_and_tail),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match error {
            store::Error::Waiting { .. } | store::Error::Interrupted(_) => Error::Interrupted(Interrupted),
            error => Error::Store(error),
        }
    }
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Error {
        match error {
            process::Error::Interrupted { .. } => Error::Interrupted(Interrupted),
            error => Error::Depmod(error),
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
