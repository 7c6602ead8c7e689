//! What each stage's result tells the screen and the report.

use indicatif::HumanBytes;

use crate::stages::boot::BootResult;
use crate::stages::build::KernelBuild;
use crate::stages::configure::{KernelConfig, Place};
use crate::stages::fetch::Tarball;
use crate::stages::package::Package;
use crate::stages::patch::{Outcome as PatchOutcome, PatchedTree};
use crate::stages::unpack::SourceTree;
use crate::stages::verify::VerifiedTarball;

pub trait Outcome {
    /// Whether the store had it already.
    fn cached(&self) -> bool {
        false
    }

    /// The stage's cache key, for stages that have one.
    fn key(&self) -> Option<String> {
        None
    }

    /// One line for the user.
    fn summary(&self) -> String;
}

impl Outcome for VerifiedTarball {
    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        match &self.verified_by {
            Some(chain) => chain.clone(),
            None => "NOT VERIFIED, as --no-verify asked".into(),
        }
    }
}

impl Outcome for PatchedTree {
    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        let count = |outcome| self.patches.iter().filter(|patch| patch.status == outcome).count();
        match (count(PatchOutcome::Applied), count(PatchOutcome::AlreadyUpstream)) {
            (0, 0) => "nothing to apply: the release behaves so already".into(),
            (applied, 0) => format!("{applied} applied"),
            (applied, upstream) => format!("{applied} applied, {upstream} already upstream"),
        }
    }
}

impl Outcome for Vec<Package> {
    fn summary(&self) -> String {
        let total: u64 = self.iter().map(|package| package.bytes).sum();
        format!("{} files, {}", self.len(), HumanBytes(total))
    }
}

impl Outcome for Tarball {
    fn cached(&self) -> bool {
        self.cached
    }

    fn summary(&self) -> String {
        let file = self.url.rsplit('/').next().unwrap_or(&self.url);
        format!("{file} from {}", self.origin.name())
    }
}

impl Outcome for SourceTree {
    fn cached(&self) -> bool {
        self.cached
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        self.release.to_string()
    }
}

impl Outcome for KernelConfig {
    fn cached(&self) -> bool {
        matches!(self.at, Place::Finished(_))
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        "every requested option has its value".into()
    }
}

impl Outcome for KernelBuild {
    fn cached(&self) -> bool {
        self.cached
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        self.release.clone()
    }
}

impl Outcome for BootResult {
    fn summary(&self) -> String {
        self.headline()
    }
}
