//! Errors of the fetch stage.

use std::io;
use std::path::PathBuf;

use super::git_advice::advice;
use crate::base::debian::error::Attempt;
use crate::base::download;
use crate::base::error::Explain;
use crate::base::openpgp::keyring::KeyringError;
use crate::base::release::{Release, ReleaseSpec};
use crate::base::stop::Interrupted;
use crate::base::store;

/// Why a release cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No source has the release.
    #[error("no source provides {wanted}")]
    NotProvided {
        /// The requested release or line.
        wanted: ReleaseSpec,
        /// One failure for each source.
        attempts: Vec<Attempt>,
        /// Available releases close to the requested one, the closest first.
        nearest: Vec<Release>,
        /// Whether a source has the release, but nothing to verify it with.
        unverifiable: bool,
    },
    /// The store has no archive of the release, and the network must not be used.
    #[error("the store does not have {wanted}, and --offline forbids downloads")]
    NotStored {
        /// The requested release or line.
        wanted: ReleaseSpec,
        /// The releases in the store, sorted.
        stored: Vec<Release>,
    },
    /// The store lacks the content, and the network must not be used.
    #[error("{what} is not in the store, and --offline forbids downloads")]
    Offline {
        /// An address or a git reference.
        what: String,
    },
    /// An archive could not be downloaded or copied into the store.
    #[error(transparent)]
    Download(#[from] download::Error),
    /// The user's archive has neither a checksum nor a usable signature.
    #[error("{url} has neither a signature nor a checksum that can be verified")]
    Unverifiable {
        /// Address or path of the archive.
        url: String,
        /// Why there is no usable signature.
        reason: String,
    },
    /// The source does not name its release.
    #[error("cannot determine the release of {location}")]
    UnknownRelease {
        /// Address or path of the source.
        location: String,
    },
    /// The source has another release than requested.
    #[error("{location} is {found}, not {wanted}")]
    OtherRelease {
        /// Address or path of the source.
        location: String,
        /// The release of the source.
        found: Release,
        /// The requested release or line.
        wanted: ReleaseSpec,
    },
    /// `tarball:` names something that is not a file.
    #[error("{} is not a file", path.display())]
    NotAnArchive {
        /// The path.
        path: PathBuf,
    },
    /// The directory has no kernel source.
    #[error("{} is not a kernel source tree: {reason}", path.display())]
    NotATree {
        /// The directory.
        path: PathBuf,
        /// The missing part.
        reason: String,
    },
    /// The directory has output of an earlier build.
    #[error("{} is not clean: it contains {found} from an earlier build", path.display())]
    NotClean {
        /// The directory.
        path: PathBuf,
        /// The output, relative to the directory.
        found: String,
    },
    /// The run would write among the files of the source directory.
    #[error("{} is part of the source {}: the run cannot write there", output.display(), path.display())]
    OutputInSource {
        /// The source directory.
        path: PathBuf,
        /// The output directory or the store.
        output: PathBuf,
    },
    /// git cannot read the repository.
    #[error("cannot read the git repository {url}")]
    Git {
        /// Address or path of the repository.
        url: String,
        /// The cause.
        source: git2::Error,
    },
    /// The repository has no such tag, branch or commit.
    #[error("{url} has no {reference}")]
    NoReference {
        /// Address or path of the repository.
        url: String,
        /// The tag, branch or commit.
        reference: String,
    },
    /// The git server sent nothing for too long.
    #[error("{url} stopped responding")]
    GitSilent {
        /// Address of the repository.
        url: String,
    },
    /// The git server exceeds a limit.
    #[error("gave up on {url}: {why}")]
    GitEndless {
        /// Address of the repository.
        url: String,
        /// The limit, as a sentence.
        why: &'static str,
    },
    /// The user's keyring cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[from] store::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Download(source) => Some(source),
            Error::Keyring(source) => Some(source),
            Error::Store(source) => Some(source),
            Error::Interrupted(source) => Some(source),
            _ => None,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NotProvided { attempts, nearest, .. } => {
                let mut facts: Vec<_> = attempts.iter().map(Attempt::to_string).collect();
                facts.push(list("nearest releases available", nearest));
                facts
            }
            Error::NotStored { stored, .. } => vec![list("releases in the store", stored)],
            Error::Unverifiable { reason, .. } => vec![reason.clone()],
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        Some(match self {
            Error::NotProvided { unverifiable: true, .. } => {
                "pass --keyring FILE with the signers' keys, or accept the source with --no-verify".to_owned()
            }
            Error::Git { url, source } => advice(url, source)?,
            Error::NotProvided { wanted: ReleaseSpec::Exact(release), nearest, .. }
                if release.point == 0 && nearest.iter().any(|near| near.line() == release.line()) =>
            {
                format!("use --release {} for the newest release of this line", release.line())
            }
            Error::NotProvided { nearest, .. } => match nearest.first() {
                Some(release) => format!("choose one that is available, such as --release {release}"),
                None => "check the network and the proxy, or use another --source".to_owned(),
            },
            Error::NotStored { .. } | Error::Offline { .. } => "run once without --offline".to_owned(),
            Error::Unverifiable { .. } => {
                "append #SHA256 to the tarball's address, pass --keyring, or accept it with --no-verify"
                    .to_owned()
            }
            Error::NotAnArchive { .. } => {
                "use --source tarball:FILE, or dir:PATH for a source tree".to_owned()
            }
            Error::UnknownRelease { .. } => "pass --release".to_owned(),
            Error::OutputInSource { .. } => {
                "use an --out and a --store outside of the source, or a new directory in it".to_owned()
            }
            Error::NotClean { path, .. } => {
                format!("clean it (make -C {} mrproper) or use a fresh checkout", path.display())
            }
            _ => return self.inner()?.next_step(),
        })
    }
}

fn list(title: &str, releases: &[Release]) -> String {
    let names: Vec<_> = releases.iter().map(Release::to_string).collect();
    format!("{title}: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_without_a_point_gets_its_line_proposed() {
        let error = |wanted: &str, nearest: &[&str]| Error::NotProvided {
            unverifiable: false,
            wanted: wanted.parse().unwrap(),
            attempts: Vec::new(),
            nearest: nearest.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let next = |wanted, nearest: &[&str]| error(wanted, nearest).next_step().unwrap();
        assert!(next("6.1", &["6.1.4", "6.1.3"]).contains("--release 6.1.y"));
        assert!(next("6.1.9", &["6.1.4"]).contains("--release 6.1.4"));
        assert!(next("6.2", &["6.1.4"]).contains("--release 6.1.4"));
    }
}
