//! Kbuild: the `O=` directory, the make command, the diagnosis of its output, and the finished kernels in the store.

pub mod build_dir;
pub(crate) mod build_file;
pub(crate) mod diagnosis;
mod finished;
pub mod make;
pub(crate) mod named_files;
mod path;
mod sandbox;
mod wrappers;

pub use path::refused_character;

pub(crate) use finished::{FinishedKernel, part_key, requested_parts, result_key};
pub use sandbox::BuildSandbox;
