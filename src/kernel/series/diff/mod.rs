//! Unified diffs, as git, GNU diff and quilt write them.
//!
//! The formats are those of git-diff(1), "Generating patch text with -p", and of the GNU diffutils manual, "Unified
//! Format". A series must apply completely or not at all, and a refusal must name line and reason. Two libraries
//! were considered and are not used:
//!
//! - diffy 0.5 skips text that it does not recognise, such as a hunk after a stray line; the caller must know
//!   whether git wrote the patch; its `apply` returns neither the offsets of the hunks, which report.json
//!   contains as `max_offset`, nor the line at which a hunk does not fit.
//! - libgit2 1.9 (the crate git2) reads only parts with a `diff --git` line, applies a hunk only at the exact line
//!   of its header, and applies to a repository instead of to files in memory.

mod binary;
mod error;
mod file_diff;
mod parser;
mod text;

pub use binary::{BinaryFault, BinaryPatch};
pub use error::{Error, Problem};
pub use file_diff::{Change, FileDiff, Hunk, HunkLine, Mode, Reading, Side};
pub use parser::parse;
pub(crate) use text::displayed;

#[cfg(test)]
mod tests;
