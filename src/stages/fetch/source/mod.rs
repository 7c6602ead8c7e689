//! The content of a source by its kind: an archive of the store, the tree of a git commit, a directory.
//!
//! Each kind can hash its content, which `verify` compares, and list or open it, which `unpack` copies.

pub mod archive;
pub mod directory;
mod error;
pub mod git_tree;

pub use self::error::Error;
