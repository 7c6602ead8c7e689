//! Why documents cannot be written or a directory cannot be checked.

use std::io;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::openpgp::keyring::KeyringError;
use crate::base::openpgp::sign;
use crate::base::stop::Interrupted;

/// Failures to write or to check. A document that does not match is not an error: it is a problem in
/// the [`super::Verification`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The key cannot sign.
    #[error(transparent)]
    Sign(#[from] sign::Error),
    /// SPDX requires a calendar date, and the kernel's time is outside of the calendar.
    #[error("timestamp {timestamp} is out of range")]
    Time {
        /// Seconds since the epoch.
        timestamp: i64,
        /// The supported range.
        source: jiff::Error,
    },
    /// The path given to `verify` is not a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The keyring cannot verify anything.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A signal ended the check.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Sign(error) => Some(error),
            Error::Interrupted(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::NotADirectory { .. } | Error::Keyring(_) => Exit::Usage,
            Error::Interrupted(_) => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Keyring(KeyringError::Empty { .. }) => {
                Some("export one with `gpg --export --armor KEY > FILE`".to_owned())
            }
            _ => self.inner()?.next_step(),
        }
    }
}
