//! The `.rpm` format, version 4: lead, signature header, header, payload.
//!
//! The rpm crate builds the header from empty files; the writer then replaces sizes and checksums. With the
//! content, that crate would compress all of it into memory, on one thread.

mod builder;
mod rpm_package;
mod writer;

pub(super) mod kernel;
pub(super) mod self_package;

pub(super) use writer::write;
