//! Offers of a release, and the fetched source.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::keys::KeySource;
use super::source::directory::Directory;
use super::source::git_tree::Revision;
use crate::base::openpgp::verify::Certificates;
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::base::store::Entry;

/// The kind of a source, with the words of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Origin {
    /// kernel.org or a mirror of it.
    #[serde(rename = "kernel.org")]
    KernelOrg,
    /// The upstream archive of a Debian source package.
    #[serde(rename = "debian")]
    Debian,
    /// A git repository.
    #[serde(rename = "git")]
    Git,
    /// An archive that the user names.
    #[serde(rename = "tarball")]
    Tarball,
    /// A local source tree.
    #[serde(rename = "directory")]
    Directory,
}

impl Origin {
    /// The word of `report.json`.
    pub fn name(self) -> &'static str {
        match self {
            Origin::KernelOrg => "kernel.org",
            Origin::Debian => "debian",
            Origin::Git => "git",
            Origin::Tarball => "tarball",
            Origin::Directory => "directory",
        }
    }
}

/// One way to get one release, with the proofs that it will be verified against.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The kind of the source.
    pub origin: Origin,
    /// The release that the source promises.
    pub release: Release,
    /// Address or path, as `report.json` shows it.
    pub url: String,
    /// Where the content is.
    pub location: Location,
    /// All of them must hold.
    pub proofs: Vec<Proof>,
    /// Accept an archive without proof (`--no-verify`).
    pub accept_unverified: bool,
    /// What weakens the proofs, for the user and the report.
    pub caveat: Option<String>,
}

/// Where the content of an [`Offer`] is.
#[derive(Clone, Debug)]
pub enum Location {
    /// The store has the archive.
    Stored {
        /// Names the entry; 64 hexadecimal digits.
        sha256: String,
    },
    /// The archive can be downloaded.
    Remote {
        /// Addresses of the same file, in the order to try.
        urls: Vec<String>,
        /// 64 hexadecimal digits, if a list or the user names the checksum.
        sha256: Option<String>,
        /// Size of the file, if a list names it.
        bytes: Option<u64>,
    },
    /// The archive is a local file.
    File {
        /// Absolute.
        path: PathBuf,
        /// 64 hexadecimal digits, if the user names the checksum.
        sha256: Option<String>,
    },
    /// A revision of a git repository.
    Git {
        /// Address or path of the repository.
        url: String,
        /// Tag, branch or commit.
        reference: String,
        /// Where to find the certificates that may have signed the tag.
        keys: KeySource,
    },
    /// A local source tree.
    Directory(Directory),
}

impl Offer {
    /// The archive's SHA-256, if it is known before the archive arrives.
    pub(crate) fn sha256(&self) -> Option<&str> {
        match &self.location {
            Location::Stored { sha256 } => Some(sha256),
            Location::Remote { sha256, .. } | Location::File { sha256, .. } => sha256.as_deref(),
            Location::Git { .. } | Location::Directory(_) => None,
        }
    }
}

/// A checksum or signature that an archive is verified against.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A checksum that is trusted.
    Checksum {
        /// 64 hexadecimal digits.
        sha256: String,
        /// The chain of trust as a sentence.
        chain: String,
        /// Fingerprint of the certificate at the top of the chain; `None` for a pinned checksum.
        signer: Option<String>,
    },
    /// A detached signature over the uncompressed archive.
    Signature {
        /// The signature, armoured or binary.
        document: Vec<u8>,
        /// The certificates that may have made the signature.
        certificates: Certificates,
    },
}

/// A source as it arrived, not yet verified.
#[derive(Debug)]
pub struct FetchedSource {
    /// The kind of the source.
    pub origin: Origin,
    /// The release that the source promises.
    pub release: Release,
    /// Address or path that the content came from.
    pub url: String,
    /// The content.
    pub content: Content,
    /// All of them must hold.
    pub proofs: Vec<Proof>,
    /// Accept an archive without proof (`--no-verify`).
    pub accept_unverified: bool,
    /// What weakens the proofs, for the user and the report.
    pub caveat: Option<String>,
    /// Whether the store already had the content.
    pub cached: bool,
}

impl StageResult for FetchedSource {
    fn cached(&self) -> bool {
        self.cached
    }

    fn summary(&self) -> String {
        let file = self.url.rsplit('/').next().unwrap_or(&self.url);
        format!("{file} from {}", self.origin.name())
    }
}

/// The content of a source.
#[derive(Debug)]
pub enum Content {
    /// An archive in the store.
    Archive {
        /// The entry of the archive.
        entry: Entry,
        /// Names the entry; 64 hexadecimal digits.
        sha256: String,
    },
    /// A revision of a git repository.
    Git {
        /// The revision, readable on this host.
        revision: Revision,
        /// The certificates that may have signed its tag.
        certificates: Certificates,
    },
    /// A local source tree.
    Directory(Directory),
}
