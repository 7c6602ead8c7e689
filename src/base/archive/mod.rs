//! Reading archives: decompression, safe paths, and writing what they contain below one directory.

pub mod decompress;
pub mod path;
pub mod writer;

pub use decompress::{Compression, decompress};
