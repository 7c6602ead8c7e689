//! The releases that the sources list. A source may list a release that it does not provide.

use super::offer::{Origin, Proof};
use crate::base::debian::error::Attempt;
use crate::base::release::Release;

/// One release that one source lists.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) origin: Origin,
    pub(super) release: Release,
    /// The part of the source that lists the release: a Debian suite, a directory of kernel.org.
    pub(super) listed_by: String,
    /// Addresses of the same file, in the order to try.
    pub(super) urls: Vec<String>,
    /// 64 hexadecimal digits.
    pub(super) sha256: Option<String>,
    pub(super) bytes: Option<u64>,
    /// Why the list is trusted; `None` for a list without a good signature.
    pub(super) trust: Option<Trust>,
    /// A note for the user of this release.
    pub(super) caveat: Option<String>,
}

/// Why a checksum is trusted.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    /// The chain of trust as a sentence.
    pub(super) chain: String,
    /// Fingerprint of the certificate at the top of the chain.
    pub(super) signer: String,
}

impl Candidate {
    /// The source with the part of it that lists the release.
    pub(super) fn source(&self) -> String {
        format!("{} ({})", self.origin.name(), self.listed_by)
    }

    /// The failed attempt to get the release from its source.
    pub(super) fn failed(&self, reason: String) -> Attempt {
        Attempt { source: self.source(), reason }
    }

    /// The checksum, if the list is trusted.
    pub(super) fn checksum(&self) -> Option<Proof> {
        let (sha256, trust) = (self.sha256.clone()?, self.trust.clone()?);
        Some(Proof::Checksum { sha256, chain: trust.chain, signer: Some(trust.signer) })
    }
}

/// All releases that the sources list, and the sources that failed.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) candidates: Vec<Candidate>,
    pub(super) failed: Vec<Attempt>,
}

impl Catalogue {
    /// Adds a source that cannot list its releases.
    pub(super) fn add_failure(&mut self, source: &str, reason: impl Into<String>) {
        self.failed.push(Attempt { source: source.to_owned(), reason: reason.into() });
    }

    pub(super) fn add(&mut self, other: Catalogue) {
        self.candidates.extend(other.candidates);
        self.failed.extend(other.failed);
    }
}

/// Why a source does not offer a release that it lists.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The file cannot be downloaded.
    Unavailable(Attempt),
    /// The file has no proof.
    Unverifiable(Attempt),
}
