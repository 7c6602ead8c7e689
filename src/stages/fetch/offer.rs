//! One way to get one release, and what arrived.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::git::Checkout;
use super::keys::KeySource;
use crate::base::openpgp::verify::Certificates;
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::base::store::Entry;

/// Where a source came from; the words are those of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Origin {
    #[serde(rename = "kernel.org")]
    KernelOrg,
    #[serde(rename = "debian")]
    Debian,
    #[serde(rename = "git")]
    Git,
    #[serde(rename = "tarball")]
    Tarball,
    #[serde(rename = "directory")]
    Directory,
}

impl Origin {
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

/// One way to get one release, with what it will be verified against.
#[derive(Clone, Debug)]
pub struct Offer {
    pub origin: Origin,
    pub release: Release,
    /// Address or path, as `report.json` shows it.
    pub url: String,
    pub location: Location,
    /// All of it must hold.
    pub evidence: Vec<Evidence>,
    /// `--no-verify`: an archive without evidence is taken all the same.
    pub accept_unverified: bool,
}

#[derive(Clone, Debug)]
pub enum Location {
    /// The store's entry of this SHA-256.
    Stored {
        sha256: String,
    },
    /// The same file at each address; the checksum and the size where a list says them.
    Remote {
        urls: Vec<String>,
        sha256: Option<String>,
        bytes: Option<u64>,
    },
    File {
        path: PathBuf,
        sha256: Option<String>,
    },
    Git {
        url: String,
        reference: String,
        keys: KeySource,
    },
    Directory {
        path: PathBuf,
    },
}

/// What speaks for an archive.
#[derive(Clone, Debug)]
pub enum Evidence {
    Checksum {
        sha256: String,
        /// Who says so, in words.
        chain: String,
        /// Fingerprint of the certificate at the top of the chain; `None` for a pin.
        signer: Option<String>,
    },
    /// A detached signature over the uncompressed archive.
    Signature { document: Vec<u8>, certificates: Certificates },
}

/// A source as it arrived: unverified.
#[derive(Debug)]
pub struct Tarball {
    pub origin: Origin,
    pub release: Release,
    pub url: String,
    pub content: Content,
    pub evidence: Vec<Evidence>,
    pub accept_unverified: bool,
    /// Nothing was transferred: the store had it.
    pub cached: bool,
}

#[derive(Debug)]
pub enum Content {
    /// The store's entry, named by the archive's SHA-256.
    Archive {
        entry: Entry,
        sha256: String,
    },
    /// A commit in a repository, and the certificates that its tag may be signed with.
    Git {
        checkout: Checkout,
        certificates: Certificates,
    },
    Directory {
        path: PathBuf,
    },
}

impl StageResult for Tarball {
    fn cached(&self) -> bool {
        self.cached
    }

    fn summary(&self) -> String {
        let file = self.url.rsplit('/').next().unwrap_or(&self.url);
        format!("{file} from {}", self.origin.name())
    }
}
