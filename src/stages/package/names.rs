//! Package names and versions.

use super::error::Error;
use super::request::PackageRequest;
use crate::base::options::Part;
use crate::stages::build::KernelBuild;

/// The names that identify the packages of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelNames {
    /// `uname -r`.
    pub(super) release: String,
    /// The upstream version; a release candidate sorts before its release: `7.2~rc3`.
    pub(super) upstream: String,
    /// The package revision.
    pub(super) revision: u32,
}

impl KernelNames {
    pub(super) fn new(request: &PackageRequest, build: &KernelBuild) -> Result<KernelNames, Error> {
        let upstream = request.upstream.to_string().replace("-rc", "~rc");
        KernelNames::of(&build.release, upstream, request.revision)
    }

    fn of(release: &str, upstream: String, revision: u32) -> Result<KernelNames, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
        // The maintainer scripts quote the release, but it is also part of paths.
        if !release.starts_with(|first: char| first.is_ascii_digit()) || !release.bytes().all(allowed) {
            return Err(Error::ReleaseName { release: release.to_owned() });
        }
        Ok(KernelNames { release: release.to_owned(), upstream, revision })
    }

    /// The version in the notation of both formats: `6.1.187-1`.
    pub(super) fn version(&self) -> String {
        format!("{}-{}", self.upstream, self.revision)
    }

    /// The Debian package name: no capitals, underscores or tildes (Debian Policy 5.6.1).
    pub(super) fn deb(&self, part: Part) -> String {
        let release = self.release.to_ascii_lowercase().replace(['_', '~'], "-");
        match part {
            Part::Image => format!("linux-image-{release}"),
            Part::Headers => format!("linux-headers-{release}"),
            Part::Debug => format!("linux-image-{release}-dbg"),
            Part::LibcDev => "linux-libc-dev".to_owned(),
        }
    }

    /// The rpm package name.
    ///
    /// It contains the kernel release: packages of two releases never replace each other, a rebuild of the
    /// same release does. No distribution uses the prefix `kernel-kpatch-`. The name of the user-space
    /// headers has no release because a system has only one /usr/include.
    pub(super) fn rpm(&self, part: Part) -> String {
        let release = self.release.replace('~', "-");
        match part {
            Part::Image => format!("kernel-kpatch-{release}"),
            Part::Headers => format!("kernel-kpatch-{release}-devel"),
            Part::Debug => format!("kernel-kpatch-{release}-debuginfo"),
            Part::LibcDev => "kernel-kpatch-headers".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_contain_the_kernel_release_and_versions_the_upstream_release() {
        let names = KernelNames::of("6.1.187-copy-segments-boot", "6.1.187".into(), 2).unwrap();
        assert_eq!(names.deb(Part::Image), "linux-image-6.1.187-copy-segments-boot");
        assert_eq!(names.rpm(Part::Image), "kernel-kpatch-6.1.187-copy-segments-boot");
        assert_eq!(names.version(), "6.1.187-2");
    }

    #[test]
    fn debian_names_are_sanitised() {
        let names = KernelNames::of("6.1.187-My_Series~x+y", "6.1.187".into(), 1).unwrap();
        assert_eq!(names.deb(Part::Image), "linux-image-6.1.187-my-series-x+y");
        assert_eq!(names.rpm(Part::Image), "kernel-kpatch-6.1.187-My_Series-x+y");
    }

    #[test]
    fn a_release_that_could_escape_its_directory_or_its_quotes_is_refused() {
        for release in ["", "../x", "6.1/../..", "6.1'", "6.1 x", "-6.1", "6.1é", "6.1\n"] {
            assert!(KernelNames::of(release, "6.1".into(), 1).is_err(), "{release:?} was accepted");
        }
    }
}
