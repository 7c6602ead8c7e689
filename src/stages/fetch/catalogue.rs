//! What a source lists, before anybody knows whether it delivers.

use super::error::Tried;
use super::offer::{Evidence, Origin};
use crate::base::release::Release;

/// One release as one source lists it.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub origin: Origin,
    pub release: Release,
    /// The part of the source that lists it: a Debian suite, a folder of kernel.org.
    pub listed_by: String,
    /// The same file at each.
    pub urls: Vec<String>,
    pub sha256: Option<String>,
    pub bytes: Option<u64>,
    /// What the list itself is trusted by; `None` for a list without a good signature.
    pub vouched: Option<Vouched>,
    /// Something to tell whoever takes it.
    pub caveat: Option<String>,
}

/// Who says that a checksum is right.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// In words.
    pub chain: String,
    /// Fingerprint of the certificate at its top.
    pub signer: Option<String>,
}

impl Candidate {
    /// How the source is named to the user.
    pub fn source(&self) -> String {
        format!("{} ({})", self.origin.name(), self.listed_by)
    }

    pub fn checksum(&self) -> Option<Evidence> {
        let (sha256, vouched) = (self.sha256.clone()?, self.vouched.clone()?);
        Some(Evidence::Checksum { sha256, chain: vouched.chain, signer: vouched.signer })
    }
}

/// All that the sources list, and those that could not be asked.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub candidates: Vec<Candidate>,
    pub tried: Vec<Tried>,
}

impl Catalogue {
    pub fn failed(source: &str, reason: impl Into<String>) -> Catalogue {
        let tried = Tried { source: source.to_owned(), reason: reason.into() };
        Catalogue { candidates: Vec::new(), tried: vec![tried] }
    }

    pub fn add(&mut self, other: Catalogue) {
        self.candidates.extend(other.candidates);
        self.tried.extend(other.tried);
    }
}
