//! The digests that every document about the packages contains, for comparison.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::Report;

/// The SHA-256 values of packages, source, patches and kernel in one document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Digests {
    /// By file name.
    pub(super) packages: BTreeMap<String, String>,
    pub(super) source: Option<String>,
    pub(super) patches: BTreeSet<String>,
    pub(super) image: Option<String>,
    pub(super) config: Option<String>,
}

impl Digests {
    /// The topics on which two documents disagree, as nouns.
    pub(super) fn differences(&self, other: &Digests) -> Vec<&'static str> {
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

impl From<&Report> for Digests {
    fn from(report: &Report) -> Digests {
        Digests {
            packages: report
                .artifacts
                .iter()
                .map(|artifact| (artifact.file(), artifact.sha256.clone()))
                .collect(),
            source: report.source.as_ref().map(|source| source.sha256.clone()),
            patches: report.patches.iter().map(|patch| patch.sha256.clone()).collect(),
            image: report.kernel.as_ref().map(|kernel| kernel.image_sha256.clone()),
            config: report.kernel.as_ref().map(|kernel| kernel.config_sha256.clone()),
        }
    }
}
