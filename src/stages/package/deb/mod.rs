//! The `.deb` format: an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5)).

mod control;
mod debian_package;
mod documents;
mod shlibs;
mod tar_writer;
mod writer;

pub(super) mod kernel;
pub(super) mod self_package;

pub(super) use writer::write;
