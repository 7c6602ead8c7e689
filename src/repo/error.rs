//! Errors of publishing a repository.

use std::io;
use std::path::PathBuf;

use rpmrepo_metadata::MetadataError;

use super::date::rfc5322;
use crate::base::error::{Exit, Explain};
use crate::base::openpgp::sign as signing;
use crate::base::stop::Interrupted;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The request names no OpenPGP key.
    #[error("a repository must be signed, but no key is set")]
    NoKey,
    /// The directory to search does not exist.
    #[error("{} is not a directory", path.display())]
    NoDirectory {
        /// The directory to search.
        path: PathBuf,
    },
    /// The directory to search contains no packages.
    #[error("{} contains no packages", path.display())]
    NoPackage {
        /// The directory to search.
        path: PathBuf,
    },
    /// The output directory contains files that do not belong to a repository.
    #[error("{} is neither empty nor a repository of kpatch-build", path.display())]
    NotOurs {
        /// The output directory.
        path: PathBuf,
    },
    /// The address is not a URL that apt and dnf support.
    #[error("the address {given:?} is not a valid URL")]
    Address {
        /// The address.
        given: String,
    },
    /// A file operation failed; the error names operation and path.
    // Not transparent: `full_disk` searches the sources for an `io::Error`.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file cannot be read as a `.deb`.
    #[error("{} is not a readable Debian package", path.display())]
    Deb {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file cannot be read as an `.rpm`.
    #[error("{} is not a readable rpm package", path.display())]
    Rpm {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<::rpm::Error>,
    },
    /// The headers of an `.rpm` contradict themselves or the length of the file.
    #[error("{} is not a readable rpm package: {reason}", path.display())]
    RpmHeader {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        reason: &'static str,
    },
    /// The header has the checksum of another payload.
    #[error("the payload of {} does not match the checksum in its header", path.display())]
    Payload {
        /// The package.
        path: PathBuf,
    },
    /// The package's path in the pool would not be safe.
    #[error("{what} of {} is {value:?}, which cannot be part of a file name", path.display())]
    Name {
        /// The package.
        path: PathBuf,
        /// The field of the package.
        what: &'static str,
        /// The value of the field.
        value: String,
    },
    /// Two packages with the same name, version and architecture have different contents.
    #[error("two different packages are named {name}")]
    Differ {
        /// Name, version and architecture.
        name: String,
        /// The two packages.
        paths: [PathBuf; 2],
    },
    /// The repository has a package with the same name, version and architecture and different contents.
    #[error("the repository already has a different {name}")]
    Published {
        /// Name, version and architecture.
        name: String,
        /// The package to publish.
        path: PathBuf,
        /// The package in the repository.
        published: PathBuf,
    },
    /// The published generation has a later date than this run.
    #[error("the repository is dated after this run")]
    Backwards {
        /// Date of the published generation, in seconds since the epoch.
        published: i64,
        /// Date of this run, in seconds since the epoch.
        now: i64,
    },
    /// The metadata of a package or of the repository cannot be written.
    #[error("cannot write the metadata of {}", path.display())]
    Describe {
        /// The package, or `repodata`.
        path: PathBuf,
        /// The cause.
        source: Box<MetadataError>,
    },
    /// The record of a generation is damaged.
    #[error("cannot read {} as the record of a generation", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The key cannot sign.
    #[error(transparent)]
    Signing(#[from] signing::Error),
    /// rpm's header has no tag for signatures of the key's algorithm.
    #[error("rpm does not support signatures of this key ({algorithm})")]
    Algorithm {
        /// The key's algorithm.
        algorithm: String,
    },
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Interrupted(error) => Some(error),
            Error::Signing(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::NoKey
            | Error::NoDirectory { .. }
            | Error::NoPackage { .. }
            | Error::NotOurs { .. }
            | Error::Algorithm { .. }
            | Error::Address { .. } => Exit::Usage,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoPackage { .. } => {
                vec!["searched for: *.deb and *.rpm, also in subdirectories, except hidden files".into()]
            }
            Error::Differ { paths, .. } => paths.iter().map(|path| path.display().to_string()).collect(),
            Error::Published { path, published, .. } => vec![
                format!("published: {}", published.display()),
                format!("to publish: {}", path.display()),
                "a client that installed one of them would never get the other".into(),
            ],
            Error::Backwards { published, now } => {
                vec![format!("published: {}", rfc5322(*published)), format!("now: {}", rfc5322(*now))]
            }
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoKey => Some(
                "set a key file with --openpgp-key; `gpg --export-secret-keys --armor KEY` writes one".into(),
            ),
            Error::NotOurs { .. } => Some("use another directory for --out".into()),
            Error::NoPackage { .. } => Some("create packages with `kpatch-build package`".into()),
            Error::Address { .. } => {
                Some("use a URL such as https://example.org/kernels, without spaces".into())
            }
            Error::Deb { .. } | Error::Rpm { .. } | Error::RpmHeader { .. } | Error::Payload { .. } => {
                Some("build the package again, or remove the file".into())
            }
            Error::Differ { .. } => Some("remove one of them, or build one with a higher --revision".into()),
            Error::Published { .. } => Some("build it with a higher --revision".into()),
            Error::Backwards { .. } => {
                Some("set the clock or SOURCE_DATE_EPOCH; apt ignores a repository that became older".into())
            }
            Error::Algorithm { .. } => Some("sign with an RSA or Ed25519 key".into()),
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
