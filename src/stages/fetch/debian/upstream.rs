//! The upstream archives of Debian's `linux` source packages.

use std::io::{self, Read};

use deb822_fast::Paragraph;
use serde::{Deserialize, Serialize};

use crate::base::debian::index::{checksum_line, paragraphs};
use crate::base::release::Release;

/// An upstream archive of a `linux` source package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upstream {
    pub(super) release: Release,
    /// `pool/main/l/linux`
    pub(super) directory: String,
    /// `linux_6.1.187.orig.tar.xz`
    pub(super) file: String,
    pub(super) bytes: u64,
    /// 64 hexadecimal digits.
    pub(super) sha256: String,
}

/// Reads a `Sources` index: the upstream archives of `linux`, `linux-6.12` and the like, by release.
pub(super) fn upstreams(index: impl Read) -> io::Result<Vec<Upstream>> {
    let mut found = Vec::new();
    paragraphs(index, is_kernel_package, |paragraph| found.extend(upstream(paragraph)))?;
    found.sort_by_key(|upstream| upstream.release);
    found.dedup();
    Ok(found)
}

/// Whether the package is `linux`, or `linux-6.12` for a kernel of a later suite; not `linux-signed-amd64`.
fn is_kernel_package(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("linux") else { return false };
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|version| format!("{version}.0").parse::<Release>().is_ok())
}

fn upstream(paragraph: &Paragraph) -> Option<Upstream> {
    let package = paragraph.get("Package")?.trim();
    let directory = paragraph.get("Directory")?.trim().to_owned();
    let checksums = paragraph.get("Checksums-Sha256")?;
    checksums.lines().find_map(|line| {
        let (sha256, bytes, file) = checksum_line(line)?;
        let version = file.strip_prefix(package)?.strip_prefix('_')?;
        let (version, _compression) = version.split_once(".orig.tar.")?;
        // `.orig.tar.xz.asc` is a signature.
        let is_archive = [".xz", ".gz", ".zst"].iter().any(|ending| file.ends_with(ending));
        let release = version.replace("~rc", "-rc").parse().ok()?;
        is_archive.then(|| Upstream {
            release,
            directory: directory.clone(),
            file: file.to_owned(),
            bytes,
            sha256,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, file: &str) -> String {
        let sum = "ab".repeat(32);
        format!(
            "Package: {name}\nBinary: a, b\nVersion: {version}-1\nFiles:\n d41d8cd98f00b204e9800998ecf8427e 5 {file}\n\
             Checksums-Sha256:\n {sum} 5 {file}\n {sum} 6 {name}_{version}-1.debian.tar.xz\nDirectory: pool/main/l/{name}\n\n"
        )
    }

    #[test]
    fn upstream_archives_of_all_kernel_source_packages_are_found() {
        let index = [
            package("linux", "6.1.187", "linux_6.1.187.orig.tar.xz"),
            package("linux-6.12", "6.12.117", "linux-6.12_6.12.117.orig.tar.xz"),
            package("linux", "7.3~rc7", "linux_7.3~rc7.orig.tar.xz"),
            package("linux-signed-amd64", "6.1.4", "linux-signed-amd64_6.1.4.orig.tar.xz"),
            package("linux-base", "4.9", "linux-base_4.9.orig.tar.xz"),
            package("linuxptp", "4.0", "linuxptp_4.0.orig.tar.xz"),
        ];
        let found = upstreams(index.concat().as_bytes()).unwrap();
        let names: Vec<_> = found.iter().map(|upstream| upstream.release.to_string()).collect();
        assert_eq!(names, ["6.1.187", "6.12.117", "7.3-rc7"]);
        assert_eq!(found[1].directory, "pool/main/l/linux-6.12");
        assert_eq!((found[0].bytes, &found[0].sha256), (5, &"ab".repeat(32)));
    }
}
