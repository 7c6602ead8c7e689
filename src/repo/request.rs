//! The request to publish packages, and its result.

use std::path::PathBuf;

use crate::base::openpgp::sign::SigningKey;
use crate::base::stop::Stop;

/// The packages to publish, and how.
#[derive(Debug)]
pub struct PublishRequest {
    /// Directory with the packages; subdirectories are searched too.
    pub dir: PathBuf,
    /// Directory of the two repositories.
    pub out: PathBuf,
    /// Signs both repositories and the rpm packages.
    pub key: SigningKey,
    /// URL at which clients find `out`.
    pub address: String,
    /// Number of generations to keep, including the new one; at least 1.
    pub keep: usize,
    /// Date of the new generation, in seconds since the epoch.
    pub date: i64,
}

/// Settings of both repositories for a new generation; see [`PublishRequest`].
pub(super) struct Publication<'a> {
    pub(super) key: &'a SigningKey,
    pub(super) keep: usize,
    pub(super) date: i64,
    pub(super) stop: &'a Stop,
}

/// A published repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    /// Directory of the repository.
    pub path: PathBuf,
    /// Number of packages.
    pub packages: usize,
    /// Number of the new generation.
    pub generation: u64,
}
