//! The result of each patch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of one patch; the words are part of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PatchStatus {
    /// The patch changed the tree.
    Applied,
    /// The release already contains the change.
    AlreadyUpstream,
}

/// A patch with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedPatch {
    /// `patches/<series>/<line>/<file>`, or the user's path.
    pub file: String,
    /// SHA-256 of the patch file: 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The result.
    pub status: PatchStatus,
    /// Largest distance, in lines, between the position in a hunk's header and the actual one.
    pub max_offset: u64,
}
