//! `InRelease` and the indexes that it names, as the Debian repository format has them
//! (<https://wiki.debian.org/DebianRepository/Format>).

use std::io::{self, BufRead, BufReader, Read};

use deb822_fast::{Deb822, Paragraph};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::release::Release;

/// More than any index has; a bound against a stream that never ends.
const LONGEST_INDEX: u64 = 1 << 30;

/// The signed statement of one suite.
#[derive(Clone, Debug)]
pub struct Suite {
    pub origin: String,
    suite: String,
    codename: String,
    pub valid_until: Option<Timestamp>,
    pub by_hash: bool,
    /// The index of the `main` component's sources, if it has one.
    pub sources: Option<IndexFile>,
    /// The index of the `main` component's packages for amd64, if it has one.
    pub packages: Option<IndexFile>,
}

/// Where an index is, below the suite's folder, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// An upstream archive of a `linux` source package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    pub release: Release,
    /// `pool/main/l/linux`
    pub directory: String,
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
}

impl IndexFile {
    /// `main/source` of `main/source/Sources.xz`.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// `Sources` of `main/source/Sources.xz`.
    pub fn name(&self) -> &str {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file.split('.').next().unwrap_or_default()
    }
}

impl Suite {
    /// Reads the text of an `InRelease` whose signature was checked.
    pub fn parse(text: &str) -> Option<Suite> {
        let document: Deb822 = text.trim_start().parse().ok()?;
        let fields = document.iter().next()?;
        let field = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
        let checksums = fields.get("SHA256").unwrap_or_default();
        Some(Suite {
            origin: field("Origin"),
            suite: field("Suite"),
            codename: field("Codename"),
            valid_until: fields.get("Valid-Until").and_then(date),
            by_hash: field("Acquire-By-Hash") == "yes",
            sources: listed(checksums, "main/source/Sources"),
            packages: listed(checksums, "main/binary-amd64/Packages"),
        })
    }

    /// Whether this is the suite that was asked for, and not another one put in its place.
    pub fn is(&self, name: &str) -> bool {
        name == self.suite || name == self.codename
    }

    /// By whom it is published: not one of the third parties that apt may also know.
    pub fn is_debian(&self) -> bool {
        self.origin == "Debian" || self.origin == "Debian Backports"
    }
}

/// `Sat, 21 Nov 2026 00:53:02 UTC`
fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(" UTC", " +0000");
    Some(jiff::fmt::rfc2822::parse(&text).ok()?.timestamp())
}

/// The index of that name in the better of its compressions.
fn listed(checksums: &str, name: &str) -> Option<IndexFile> {
    let listed = |wanted: String| {
        checksums.lines().find_map(|line| {
            let (sha256, bytes, path) = checksum_line(line)?;
            (path == wanted).then(|| IndexFile { path: path.to_owned(), bytes, sha256: sha256.to_owned() })
        })
    };
    listed(format!("{name}.xz")).or_else(|| listed(format!("{name}.gz")))
}

/// ` <checksum> <bytes> <name>`
fn checksum_line(line: &str) -> Option<(&str, u64, &str)> {
    let mut words = line.split_whitespace();
    let (checksum, bytes, name) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let valid = checksum.len() == 64 && checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then_some((checksum, bytes, name))
}

/// The upstream archives of the packages `linux` and `linux-6.12` and the like.
pub fn upstreams(index: impl Read) -> io::Result<Vec<Upstream>> {
    let mut found = Vec::new();
    paragraphs(index, is_kernel_package, |paragraph| found.extend(upstream(paragraph)))?;
    found.sort_by_key(|upstream| upstream.release);
    found.dedup();
    Ok(found)
}

/// Hands over the paragraphs of the packages whose name `is_wanted`: an index has tens of
/// thousands, so that the others are not even parsed.
pub fn paragraphs(
    index: impl Read,
    is_wanted: impl Fn(&str) -> bool,
    mut found: impl FnMut(&Paragraph),
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, index.take(LONGEST_INDEX));
    let mut paragraph = Vec::new();
    loop {
        let start = paragraph.len();
        let count = reader.read_until(b'\n', &mut paragraph)?;
        if count == 0 || paragraph[start..].trim_ascii().is_empty() {
            let name =
                paragraph.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Package: "));
            if name.is_some_and(|name| is_wanted(String::from_utf8_lossy(name).trim())) {
                let text = String::from_utf8_lossy(&paragraph);
                if let Ok(paragraph) = text.trim().parse() {
                    found(&paragraph);
                }
            }
            paragraph.clear();
        }
        if count == 0 {
            return Ok(());
        }
    }
}

/// `linux`, or `linux-6.12` for a kernel from a later suite; not `linux-signed-amd64`.
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
        // A second part such as `.orig.tar.xz.asc` is a signature, not an archive.
        let is_archive = [".xz", ".gz", ".zst"].iter().any(|ending| file.ends_with(ending));
        let release = version.replace("~rc", "-rc").parse().ok()?;
        is_archive.then(|| Upstream {
            release,
            directory: directory.clone(),
            file: file.to_owned(),
            bytes,
            sha256: sha256.to_owned(),
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

    #[test]
    fn a_release_file_says_what_suite_it_is_and_where_its_sources_are() {
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let text = format!(
            "Origin: Debian\nSuite: oldstable-security\nCodename: bookworm-security\n\
             Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC\nAcquire-By-Hash: yes\nMD5Sum:\n \
             d41d8cd98f00b204e9800998ecf8427e 9 main/source/Sources.xz\nSHA256:\n {one} 9 main/source/Sources.gz\n {two} 7 main/source/Sources.xz\n"
        );
        let suite = Suite::parse(&text).unwrap();
        assert!(suite.is("bookworm-security") && suite.is("oldstable-security") && !suite.is("bookworm"));
        assert!(suite.is_debian() && suite.by_hash);
        assert_eq!(suite.valid_until.unwrap().to_string(), "2026-11-28T00:53:02Z");
        let sources = suite.sources.unwrap();
        assert_eq!(
            (sources.path.as_str(), sources.bytes, sources.sha256),
            ("main/source/Sources.xz", 7, two)
        );
    }
}
