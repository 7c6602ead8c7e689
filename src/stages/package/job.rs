//! Input of both package writers.

use std::io;
use std::path::Path;

use super::disk::missing_for_disk;
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
    /// What a machine with a disk needs and the kernel lacks; `None` if it lacks nothing, and for parts without a kernel.
    pub(super) missing_for_disk: Option<&'static str>,
}

impl<'a> PackageJob<'a> {
    /// # Errors
    /// The kernel's configuration cannot be read.
    pub(super) fn new(
        request: &'a PackageRequest,
        names: &'a KernelNames,
        part: Part,
        payload: Payload,
    ) -> io::Result<PackageJob<'a>> {
        let missing_for_disk = match part {
            Part::Image => missing_for_disk(&payload.config()?),
            Part::Headers | Part::Debug | Part::LibcDev => None,
        };
        Ok(PackageJob { request, names, part, payload, missing_for_disk })
    }
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
