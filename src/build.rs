//! Build: from a configured tree to image and modules.

use std::path::PathBuf;

use crate::configure::KernelConfig;
use crate::context::Context;
use crate::key::Key;
use crate::patch::PatchedTree;
use crate::plan::Plan;
use crate::store::Entry;

/// A finished kernel in the store's results.
#[derive(Debug)]
pub struct KernelBuild {
    pub entry: Entry,
    /// `uname -r`.
    pub release: String,
    pub image_sha256: String,
    pub config_sha256: String,
    /// Seconds since the epoch: goes into every package.
    pub timestamp: i64,
    pub key: Key,
}

impl KernelBuild {
    pub fn image(&self) -> PathBuf {
        self.entry.path().join("bzImage")
    }

    pub fn system_map(&self) -> PathBuf {
        self.entry.path().join("System.map")
    }

    pub fn config(&self) -> PathBuf {
        self.entry.path().join("config")
    }

    /// Holds `lib/modules/<release>` as `modules_install` made it, stripped, with
    /// `modules.builtin` and `modules.order` but without depmod's files.
    pub fn modules(&self) -> PathBuf {
        self.entry.path().join("modules")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn build(
    _cx: &Context,
    _plan: &Plan,
    _tree: &PatchedTree,
    _config: KernelConfig,
) -> Result<KernelBuild, Error> {
    todo!("H3")
}
