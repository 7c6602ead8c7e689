//! What can go wrong while a source is unpacked.

use std::io;
use std::path::PathBuf;

use crate::base::archive::path::Unsafe;
use crate::base::error::{Exit, Explain};
use crate::base::release::Release;
use crate::base::store;
use crate::kernel::version::Version;
use crate::stages::verify;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{url} is not safe to unpack: {}: {reason}", entry.display())]
    Unsafe { url: String, entry: PathBuf, reason: Unsafe },
    #[error("{url} does not hold one folder: {} lies beside {}", entry.display(), top.display())]
    SeveralFolders { url: String, top: PathBuf, entry: PathBuf },
    #[error("{url} is not a kernel source: {reason}")]
    NotAKernel { url: String, reason: &'static str },
    #[error("{url} holds {found}, not {wanted}")]
    OtherRelease { url: String, found: Version, wanted: Release },
    #[error("{} was changed while it was copied", folder.display())]
    Changed { folder: PathBuf },
    #[error("{url} cannot be read: it is truncated or damaged")]
    Damaged { url: String, source: io::Error },
    #[error("cannot read the git repository of {url}")]
    Git { url: String, source: git2::Error },
    #[error("cannot list {url}")]
    List { url: String, source: Box<verify::Error> },
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
        Vec::new()
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unsafe { .. } => Some("do not use this archive; get it from another source".to_owned()),
            Error::Changed { .. } => Some("run again once nothing writes to it".to_owned()),
            Error::OtherRelease { found, .. } if found.extra.is_empty() => {
                Some(format!("ask for what it is: --release {}", found.release()))
            }
            Error::OtherRelease { .. } => Some(
                "clear EXTRAVERSION in its Makefile; --localversion names a kernel of your own".to_owned(),
            ),
            _ => None,
        }
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
