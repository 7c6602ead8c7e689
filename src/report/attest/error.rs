//! What can go wrong while evidence is written, or looked at.

use std::io;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::openpgp::sign as signing;
use crate::report;

/// That something does not fit is no error but a [`super::Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Report(report::Error),
    #[error(transparent)]
    Sign(signing::Error),
    #[error("the time {timestamp} is outside of the calendar")]
    Time { timestamp: i64, source: jiff::Error },
    #[error("{} is not a folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{} holds no OpenPGP certificate", path.display())]
    EmptyKeyring { path: PathBuf },
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NotAFolder { .. } | Error::EmptyKeyring { .. } => Exit::Usage,
            Error::Interrupted => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::EmptyKeyring { .. } => Some("write one with `gpg --export --armor KEY > FILE`".to_owned()),
            Error::Sign(error) => error.next_step(),
            _ => None,
        }
    }
}
