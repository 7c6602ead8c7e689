//! Archive formats: decompression, safe extraction, `.deb` packages and cpio.

pub(crate) mod cpio;
pub(crate) mod deb;
pub mod decompress;
pub mod path;
pub(crate) mod tar_limits;
pub(crate) mod writer;
