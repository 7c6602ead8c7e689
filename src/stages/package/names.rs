//! Names and versions of the packages.

use super::{Error, Order};
use crate::base::options::Part;
use crate::stages::build::KernelBuild;

/// What identifies the packages of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// `uname -r`.
    pub release: String,
    /// Upstream's version; a release candidate sorts before its release: `7.2~rc3`.
    pub upstream: String,
    pub revision: u32,
}

impl Names {
    pub fn new(order: &Order, build: &KernelBuild) -> Result<Names, Error> {
        let upstream = order.upstream.to_string().replace("-rc", "~rc");
        Names::of(&build.release, upstream, order.revision)
    }

    fn of(release: &str, upstream: String, revision: u32) -> Result<Names, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
        // The scripts quote the release, but it is also part of paths.
        if !release.starts_with(|first: char| first.is_ascii_digit()) || !release.bytes().all(allowed) {
            return Err(Error::ReleaseName { release: release.to_owned() });
        }
        Ok(Names { release: release.to_owned(), upstream, revision })
    }

    /// `6.1.187-1`: the version in both formats' notation.
    pub fn version(&self) -> String {
        format!("{}-{}", self.upstream, self.revision)
    }

    /// Debian package names have no capitals, underscores or tildes (Debian Policy 5.6.1).
    pub fn deb(&self, part: Part) -> String {
        let release = self.release.to_ascii_lowercase().replace(['_', '~'], "-");
        match part {
            Part::Image => format!("linux-image-{release}"),
            Part::Headers => format!("linux-headers-{release}"),
            Part::Debug => format!("linux-image-{release}-dbg"),
            Part::LibcDev => "linux-libc-dev".to_owned(),
        }
    }

    /// One name for each kernel release, so that the packages of two releases never replace
    /// each other and a rebuild of the same release does; `kernel-kpatch-` is no prefix that a
    /// distribution uses. There is only one /usr/include, so the headers of programs name no release.
    pub fn rpm(&self, part: Part) -> String {
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
    fn names_hold_the_kernel_release_and_versions_the_upstream_one() {
        let names = Names::of("6.1.187-copy-segments-boot", "6.1.187".into(), 2).unwrap();
        assert_eq!(names.deb(Part::Image), "linux-image-6.1.187-copy-segments-boot");
        assert_eq!(names.rpm(Part::Image), "kernel-kpatch-6.1.187-copy-segments-boot");
        assert_eq!(names.version(), "6.1.187-2");
    }

    #[test]
    fn debian_names_are_sanitised() {
        let names = Names::of("6.1.187-My_Series~x+y", "6.1.187".into(), 1).unwrap();
        assert_eq!(names.deb(Part::Image), "linux-image-6.1.187-my-series-x+y");
        assert_eq!(names.rpm(Part::Image), "kernel-kpatch-6.1.187-My_Series-x+y");
    }

    #[test]
    fn a_release_that_could_leave_its_folder_or_its_quotes_is_refused() {
        for release in ["", "../x", "6.1/../..", "6.1'", "6.1 x", "-6.1", "6.1é", "6.1\n"] {
            assert!(Names::of(release, "6.1".into(), 1).is_err(), "{release:?} was accepted");
        }
    }
}
