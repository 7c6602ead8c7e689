//! The request for a kernel's packages, and the written packages.

use std::path::PathBuf;

use crate::base::options::{Compression, Format, Part};
use crate::base::release::Release;
use crate::kernel::KernelPlan;

/// A kernel package in the output directory.
#[derive(Clone, Debug)]
pub struct Package {
    /// The package file, below the request's output directory.
    pub path: PathBuf,
    /// The package format.
    pub format: Format,
    /// The part of the kernel in the package.
    pub part: Part,
    /// The package name, without version and architecture: `linux-image-6.1.187-zeroed`.
    pub name: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, as 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// The part of a plan that packages depend on.
#[derive(Clone, Debug)]
pub struct PackageRequest {
    /// The upstream release, the version of the packages.
    pub upstream: Release,
    /// Package revision: higher for a rebuild of the same kernel release.
    pub revision: u32,
    /// Name of the patch series.
    pub series: String,
    /// Title of the patch series, one sentence.
    pub title: String,
    /// File names of all patches, in the order in which they were applied.
    pub patches: Vec<String>,
    /// Formats to write.
    pub formats: Vec<Format>,
    /// Parts to package; the build must have kept each of them.
    pub parts: Vec<Part>,
    /// Compression of the archives inside the packages.
    pub compression: Compression,
    /// The compiler that built the kernel: `gcc 12.2.0`.
    pub compiler: String,
    /// Number of compression threads; the packages do not depend on it.
    pub jobs: usize,
    /// Output directory; it must exist.
    pub out: PathBuf,
}

impl From<&KernelPlan> for PackageRequest {
    fn from(plan: &KernelPlan) -> PackageRequest {
        let patches = plan.series.compat.iter().chain(&plan.series.patches);
        PackageRequest {
            upstream: plan.release,
            revision: plan.revision,
            series: plan.series.name.clone(),
            title: plan.series.title.clone(),
            patches: patches.map(|patch| patch.name.clone()).collect(),
            formats: plan.formats.clone(),
            parts: plan.parts.clone(),
            compression: plan.compression,
            compiler: plan.toolchain.cc_version.clone(),
            jobs: plan.jobs,
            out: plan.out.clone(),
        }
    }
}
