//! What each document says of the same things, brought into one form to be compared.

use std::collections::{BTreeMap, BTreeSet};

use super::{provenance, spdx};
use crate::report::Recorded;

/// Checksums are SHA-256.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// By file name.
    pub packages: BTreeMap<String, String>,
    pub source: Option<String>,
    pub patches: BTreeSet<String>,
    pub image: Option<String>,
    pub config: Option<String>,
}

pub(super) type Reader = fn(&[u8]) -> serde_json::Result<Told>;

impl Told {
    /// What the other says otherwise.
    pub fn differences(&self, other: &Told) -> Vec<&'static str> {
        let topics = [
            (self.packages == other.packages, "the packages"),
            (self.source == other.source, "the source"),
            (self.patches == other.patches, "the patches"),
            (self.image == other.image, "the kernel's image"),
            (self.config == other.config, "the configuration"),
        ];
        topics.into_iter().filter(|(same, _)| !same).map(|(_, topic)| topic).collect()
    }
}

pub(super) fn by_report(recorded: &Recorded) -> Told {
    Told {
        packages: recorded.artifacts.iter().map(|it| (it.file(), it.sha256.clone())).collect(),
        source: recorded.source.as_ref().map(|source| source.sha256.clone()),
        patches: recorded.patches.iter().map(|patch| patch.sha256.clone()).collect(),
        image: recorded.kernel.as_ref().map(|kernel| kernel.image_sha256.clone()),
        config: recorded.kernel.as_ref().map(|kernel| kernel.config_sha256.clone()),
    }
}

pub(super) fn by_sbom(text: &[u8]) -> serde_json::Result<Told> {
    let document: spdx::Document = serde_json::from_slice(text)?;
    Ok(document.told())
}

pub(super) fn by_provenance(text: &[u8]) -> serde_json::Result<Told> {
    let statement: provenance::Statement = serde_json::from_slice(text)?;
    Ok(statement.told())
}
