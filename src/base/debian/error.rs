//! Errors of the Debian client.

use crate::base::download;
use crate::base::error::Explain;
use crate::base::http;
use crate::base::stop::Interrupted;
use crate::base::store;

/// A failed attempt to download from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `kernel.org`, `debian (bookworm-security)`, an address.
    pub source: String,
    /// Why the source did not provide it.
    pub reason: String,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

/// Why a package cannot be downloaded from Debian.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No mirror is configured.
    #[error("apt on this host has no Debian mirror configured")]
    NoMirror,
    /// The store lacks the packages, and the network must not be used.
    #[error("{what} is not in the store, and --offline forbids downloads")]
    Offline {
        /// The packages, for the user.
        what: String,
    },
    /// No mirror has the suite with the package.
    #[error("no Debian mirror has a usable suite {suite}")]
    Suite {
        /// `bullseye`
        suite: String,
        /// One failure for each mirror.
        attempts: Vec<Attempt>,
    },
    /// A package could not be downloaded or stored.
    #[error(transparent)]
    Download(#[from] download::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Download(source) => Some(source),
            Error::Store(source) => Some(source),
            Error::Interrupted(source) => Some(source),
            _ => None,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Suite { attempts, .. } => attempts.iter().map(Attempt::to_string).collect(),
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoMirror => Some("pass --debian-mirror".to_owned()),
            Error::Offline { .. } => Some("run once without --offline".to_owned()),
            _ => self.inner()?.next_step(),
        }
    }
}

/// Why one suite of one mirror cannot be used.
#[derive(Debug)]
pub(crate) enum SuiteError {
    /// The mirror does not have the suite.
    Absent,
    /// The mirror cannot be reached at all.
    Unreachable(String),
    /// The store failed.
    Store(store::Error),
    /// The mirror has the suite, and its metadata is damaged or not trusted.
    Unusable(String),
    Interrupted(Interrupted),
}

impl From<http::Error> for SuiteError {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Interrupted(interrupted) => SuiteError::Interrupted(interrupted),
            error if error.is_absent() => SuiteError::Absent,
            http::Error::Dns { .. } | http::Error::Unreachable { .. } => {
                SuiteError::Unreachable(error.to_string())
            }
            error => SuiteError::Unusable(error.to_string()),
        }
    }
}

impl From<store::Error> for SuiteError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Interrupted(interrupted) => SuiteError::Interrupted(interrupted),
            error => SuiteError::Store(error),
        }
    }
}
