//! What can go wrong while packages are made.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Exit, Explain};
use crate::base::options::Part;
use crate::base::{process, store};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("interrupted")]
    Interrupted,
    #[error("the kernel release {release:?} cannot be part of a package's name")]
    ReleaseName { release: String },
    #[error("the kernel's timestamp {timestamp} is not between 1970 and 2106")]
    Timestamp { timestamp: i64 },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is neither a file nor a folder with a name in UTF-8", path.display())]
    NotPackageable { path: PathBuf },
    #[error("{} changed while it was being packaged", path.display())]
    Changed { path: PathBuf },
    #[error("the files of {package} are too large for an rpm without stripped headers ({bytes} bytes)")]
    TooLarge { package: String, bytes: u64 },
    #[error("the build kept nothing for the package {part:?}")]
    NotKept { part: Part },
    #[error("cannot list the modules' dependencies")]
    Depmod(#[source] process::Error),
    #[error("cannot describe {package}")]
    RpmHeader { package: String, source: Box<::rpm::Error> },
    #[error("cannot use the store")]
    Store(#[source] store::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted => Exit::Interrupted,
            Error::ReleaseName { .. } => Exit::Usage,
            Error::Depmod(process::Error::Missing { .. }) => Exit::HostLacks,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::ReleaseName { .. } => {
                vec!["allowed are letters, digits and . _ + ~ -, with a digit in front".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Depmod(process::Error::Missing { .. }) => {
                Some("install kmod, or run kpatch-build doctor --install-deps".to_owned())
            }
            Error::ReleaseName { .. } => Some("give another --localversion".to_owned()),
            Error::Changed { .. } => Some("run it again; nothing may write in the store".to_owned()),
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Depmod(error) => error.log_and_tail(),
            _ => (None, &[]),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match error {
            store::Error::Interrupted { .. } => Error::Interrupted,
            error => Error::Store(error),
        }
    }
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Error {
        match error {
            process::Error::Interrupted { .. } => Error::Interrupted,
            error => Error::Depmod(error),
        }
    }
}
