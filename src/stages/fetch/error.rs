//! What can go wrong while a source is found and fetched.

use std::io;
use std::path::PathBuf;

use super::http::Failure;
use crate::base::error::{Exit, Explain};
use crate::base::release::{Release, ReleaseSpec};
use crate::base::store;

/// A source that did not deliver, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// `kernel.org`, `debian (bookworm-security)`, an address.
    pub source: String,
    pub reason: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no source delivers {wanted}")]
    NotDelivered { wanted: ReleaseSpec, tried: Vec<Tried>, nearest: Vec<Release> },
    #[error("the store does not hold {wanted}, and nothing is fetched with --offline")]
    NotStored { wanted: ReleaseSpec, held: Vec<Release> },
    #[error("this host's apt knows no Debian mirror")]
    NoMirror,
    #[error("no Debian mirror has a usable suite {suite}")]
    Suite { suite: String, tried: Vec<Tried> },
    #[error("{what} is not in the store, and nothing is fetched with --offline")]
    Offline { what: String },
    #[error("{url} was altered: its SHA-256 is {actual} and should be {expected}")]
    Altered { url: String, expected: String, actual: String },
    #[error("{url} arrived truncated: {actual} of {expected} bytes")]
    Truncated { url: String, expected: u64, actual: u64 },
    #[error("{url} carries neither a signature nor a checksum that could be checked")]
    Unverifiable { url: String, why: String },
    #[error("cannot read the archive {}", path.display())]
    Archive { path: PathBuf, source: io::Error },
    #[error("{location} does not say which release it is")]
    UnknownRelease { location: String },
    #[error("{location} is {found}, not {wanted}")]
    OtherRelease { location: String, found: Release, wanted: ReleaseSpec },
    #[error("{} is not a kernel source tree: {reason}", path.display())]
    NotATree { path: PathBuf, reason: String },
    #[error("{} has been built in: it holds {found}", path.display())]
    BuiltIn { path: PathBuf, found: String },
    #[error("cannot read the git repository {url}")]
    Git { url: String, source: git2::Error },
    #[error("{url} has no {reference}")]
    NoReference { url: String, reference: String },
    #[error("{url} stopped answering")]
    GitSilent { url: String },
    #[error("cannot read the keyring {}", path.display())]
    Keyring { path: PathBuf, source: io::Error },
    #[error("the keyring {} holds no usable certificate", path.display())]
    EmptyKeyring { path: PathBuf },
    #[error("cannot fetch {url}")]
    Download { url: String, source: Failure },
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
        match self {
            Error::NotDelivered { tried, nearest, .. } => {
                let mut facts: Vec<_> =
                    tried.iter().map(|tried| format!("{}: {}", tried.source, tried.reason)).collect();
                facts.push(list("nearest releases available", nearest));
                facts
            }
            Error::Suite { tried, .. } => {
                tried.iter().map(|tried| format!("{}: {}", tried.source, tried.reason)).collect()
            }
            Error::NotStored { held, .. } => vec![list("releases in the store", held)],
            Error::Unverifiable { why, .. } => vec![why.clone()],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            Error::NotDelivered { nearest, .. } => match nearest.first() {
                Some(release) => format!("choose one that is available, such as --release {release}"),
                None => "check the network and the proxy, or give --source".to_owned(),
            },
            Error::NoMirror => "give --debian-mirror".to_owned(),
            Error::NotStored { .. } | Error::Offline { .. } => "run once without --offline".to_owned(),
            Error::Unverifiable { .. } => {
                "append #SHA256 to the tarball's address, give --keyring, or accept it with --no-verify"
                    .to_owned()
            }
            Error::UnknownRelease { .. } => "give --release".to_owned(),
            Error::BuiltIn { path, .. } => {
                format!("clean it (make -C {} mrproper) or use a fresh checkout", path.display())
            }
            Error::Altered { .. } | Error::Truncated { .. } => {
                "run again; if it stays so, use another mirror".to_owned()
            }
            _ => return None,
        })
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

impl Error {
    pub(super) fn download(url: &str, failure: Failure) -> Error {
        match failure {
            Failure::Interrupted => Error::Interrupted,
            source => Error::Download { url: url.to_owned(), source },
        }
    }
}

fn list(title: &str, releases: &[Release]) -> String {
    let names: Vec<_> = releases.iter().map(Release::to_string).collect();
    format!("{title}: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}
