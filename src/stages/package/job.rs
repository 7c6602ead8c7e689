//! Input of both package writers.

use std::path::Path;

use super::names::KernelNames;
use super::payload::Payload;
use super::payload_reader::PayloadReader;
use super::request::PackageRequest;
use crate::base::options::{Compression, Part};

/// One part of a kernel, to be packaged in either format.
pub(super) struct PackageJob<'a> {
    pub(super) request: &'a PackageRequest,
    pub(super) names: &'a KernelNames,
    pub(super) part: Part,
    pub(super) payload: Payload,
}

/// Settings for writing a package, independent of its contents.
pub(super) struct WriteOptions<'a> {
    /// Modification time of every file, in seconds since the epoch.
    pub(super) timestamp: u32,
    pub(super) compression: Compression,
    /// Number of compression threads.
    pub(super) jobs: usize,
    /// Output directory.
    pub(super) out: &'a Path,
    pub(super) reader: &'a PayloadReader<'a>,
}
