//! What can go wrong while a repository is made.

use std::io;
use std::path::{Path, PathBuf};

use rpmrepo_metadata::MetadataError;

use crate::base::error::{Exit, Explain};
use crate::base::openpgp::sign as signing;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("interrupted")]
    Interrupted,
    #[error("a repository must be signed, and no key is given")]
    NoKey,
    #[error("{} is not a folder", path.display())]
    NoFolder { path: PathBuf },
    #[error("{} holds no package", path.display())]
    NoPackage { path: PathBuf },
    #[error("{} is neither empty nor a repository of kpatch-build", path.display())]
    NotOurs { path: PathBuf },
    #[error("the address {given:?} cannot stand in a client's configuration")]
    Address { given: String },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not a Debian package that can be read", path.display())]
    Deb { path: PathBuf, source: io::Error },
    #[error("{} is not an rpm that can be read", path.display())]
    Rpm { path: PathBuf, source: Box<::rpm::Error> },
    #[error("the payload of {} is not the one that its header names", path.display())]
    Payload { path: PathBuf },
    #[error("{what} of {} is {value:?}, which cannot be part of a file name", path.display())]
    Name { path: PathBuf, what: &'static str, value: String },
    #[error("two packages call themselves {name} and differ")]
    Differ { name: String, paths: [PathBuf; 2] },
    #[error("the repository has another {name} already")]
    Published { name: String, path: PathBuf, published: PathBuf },
    #[error("the repository is dated later than this run")]
    Backwards { published: i64, now: i64 },
    #[error("{} cannot be described", path.display())]
    Describe { path: PathBuf, source: Box<MetadataError> },
    #[error("{} cannot be read as the record of a generation", path.display())]
    Record { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Signing(#[from] signing::Error),
    /// Of the key's algorithm.
    #[error("rpm knows no signature of the kind that this key makes ({algorithm})")]
    Algorithm { algorithm: String },
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted => Exit::Interrupted,
            Error::NoKey
            | Error::NoFolder { .. }
            | Error::NoPackage { .. }
            | Error::NotOurs { .. }
            | Error::Algorithm { .. }
            | Error::Address { .. } => Exit::Usage,
            Error::Signing(error) => error.exit(),
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoPackage { .. } => {
                vec!["looked for: *.deb and *.rpm, in its folders too; hidden ones are passed over".into()]
            }
            Error::Differ { paths, .. } => paths.iter().map(|path| path.display().to_string()).collect(),
            Error::Published { path, published, .. } => vec![
                format!("published: {}", published.display()),
                format!("to be published: {}", path.display()),
                "a client that has the one would never get the other".into(),
            ],
            Error::Backwards { published, now } => {
                vec![
                    format!("published: {}", super::apt::date(*published)),
                    format!("now: {}", super::apt::date(*now)),
                ]
            }
            Error::Signing(error) => error.facts(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoKey => Some(
                "name a file with --openpgp-key; `gpg --export-secret-keys --armor KEY` writes one".into(),
            ),
            Error::NotOurs { .. } => Some("name another folder with --out".into()),
            Error::NoPackage { .. } => Some("make some with `kpatch-build package`".into()),
            Error::Address { .. } => {
                Some("give one such as https://example.org/kernels, without a space in it".into())
            }
            Error::Deb { .. } | Error::Rpm { .. } | Error::Payload { .. } => {
                Some("make the package again, or take the file away".into())
            }
            Error::Differ { .. } => {
                Some("take one of them away, or build one with a higher --revision".into())
            }
            Error::Published { .. } => Some("build it with a higher --revision".into()),
            Error::Backwards { .. } => Some(
                "set the clock, or SOURCE_DATE_EPOCH: apt passes over a repository that grew older".into(),
            ),
            Error::Algorithm { .. } => Some("sign with an RSA or an Ed25519 key".into()),
            Error::Signing(error) => error.next_step(),
            _ => None,
        }
    }
}
