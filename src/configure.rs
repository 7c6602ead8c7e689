//! Configure: from fragments to a `.config` in which every requested option survived.

use std::path::PathBuf;

use crate::context::Context;
use crate::key::Key;
use crate::patch::PatchedTree;
use crate::plan::Plan;
use crate::store::Entry;

/// The chosen kconfig, loaded.
#[derive(Clone, Debug)]
pub struct Kconfig {
    /// Goes into the kernel release: `boot`, `boot-debug`.
    pub name: String,
    // H3: fragments
}

/// A build folder whose `.config` is final.
#[derive(Debug)]
pub struct KernelConfig {
    /// The `O=` folder in the store, held exclusively.
    pub build_dir: Entry,
    pub config: PathBuf,
    pub config_sha256: String,
    pub key: Key,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn configure(_cx: &Context, _plan: &Plan, _tree: &PatchedTree) -> Result<KernelConfig, Error> {
    todo!("H3")
}
