//! Patch: put one series, all of it or nothing, into the store's source tree.

pub mod series;

use std::path::PathBuf;

use serde::Serialize;

use crate::context::Context;
use crate::key::Key;
use crate::plan::Plan;
use crate::unpack::SourceTree;

/// What became of one patch file; the words are those of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Applied,
    AlreadyUpstream,
}

#[derive(Clone, Debug, Serialize)]
pub struct AppliedPatch {
    /// `patches/<series>/<line>/<file>`, or the user's path.
    pub file: String,
    pub sha256: String,
    pub status: Outcome,
    /// Largest distance, in lines, between where a hunk said it belongs and where it went.
    pub max_offset: u64,
}

/// A source tree that holds exactly the plan's series.
#[derive(Debug)]
pub struct PatchedTree {
    pub tree: SourceTree,
    pub patches: Vec<AppliedPatch>,
    pub key: Key,
}

impl PatchedTree {
    pub fn path(&self) -> PathBuf {
        self.tree.path()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn patch(_cx: &Context, _plan: &Plan, _tree: SourceTree) -> Result<PatchedTree, Error> {
    todo!("H2")
}
