//! `InRelease` and the indexes that it names, in the Debian repository format
//! (<https://wiki.debian.org/DebianRepository/Format>).

use std::io::{self, BufRead, BufReader, Read};

use deb822_fast::{Deb822, Paragraph};
use jiff::Timestamp;

use crate::base::digest::parse_sha256;

/// Limit in bytes, larger than any index: stops an endless stream.
const LONGEST_INDEX: u64 = 1 << 30;

/// The fields of a suite's `InRelease`.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    /// The publisher.
    pub(super) origin: String,
    suite: String,
    codename: String,
    /// When the index was made.
    pub(super) date: Option<Timestamp>,
    /// When the mirror should have a newer index.
    pub(crate) valid_until: Option<Timestamp>,
    /// Whether the mirror serves indexes under the name of their checksum.
    pub(super) by_hash: bool,
    /// The index of the `main` component's sources, if it has one.
    pub(crate) sources: Option<IndexFile>,
    /// The index of the `main` component's packages for amd64, if it has one.
    pub(super) packages: Option<IndexFile>,
}

/// An index as `InRelease` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexFile {
    /// Below the suite's directory, compressed: `main/source/Sources.xz`.
    pub(super) path: String,
    /// Compressed size.
    pub(super) bytes: u64,
    /// SHA-256 of the compressed file, 64 hexadecimal digits.
    pub(crate) sha256: String,
}

impl IndexFile {
    /// `main/source` of `main/source/Sources.xz`.
    pub(super) fn directory(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(directory, _)| directory)
    }

    /// `Sources` of `main/source/Sources.xz`.
    pub(super) fn name(&self) -> &str {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file.split('.').next().unwrap_or_default()
    }
}

impl Suite {
    /// Reads the text of an `InRelease` whose signature is verified.
    pub(crate) fn parse(text: &str) -> Option<Suite> {
        let document: Deb822 = text.trim_start().parse().ok()?;
        let fields = document.iter().next()?;
        let field = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
        let checksums = fields.get("SHA256").unwrap_or_default();
        Some(Suite {
            origin: field("Origin"),
            suite: field("Suite"),
            codename: field("Codename"),
            date: fields.get("Date").and_then(date),
            valid_until: fields.get("Valid-Until").and_then(date),
            by_hash: field("Acquire-By-Hash") == "yes",
            sources: listed(checksums, "main/source/Sources"),
            packages: listed(checksums, "main/binary-amd64/Packages"),
        })
    }

    /// Whether this is the suite `name`: a mirror may serve another one in its place.
    pub(super) fn is(&self, name: &str) -> bool {
        name == self.suite || name == self.codename
    }

    /// Whether Debian publishes the suite; apt may also use suites of third parties.
    pub(super) fn is_debian(&self) -> bool {
        self.origin == "Debian" || self.origin == "Debian Backports"
    }
}

/// `Sat, 21 Nov 2026 00:53:02 UTC`
fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(" UTC", " +0000");
    Some(jiff::fmt::rfc2822::parse(&text).ok()?.timestamp())
}

/// The index `name`, in the better of its compressions.
fn listed(checksums: &str, name: &str) -> Option<IndexFile> {
    let listed = |wanted: String| {
        checksums.lines().find_map(|line| {
            let (sha256, bytes, path) = checksum_line(line)?;
            (path == wanted).then(|| IndexFile { path: path.to_owned(), bytes, sha256 })
        })
    };
    listed(format!("{name}.xz")).or_else(|| listed(format!("{name}.gz")))
}

/// Parses ` <SHA-256> <bytes> <name>`.
pub(crate) fn checksum_line(line: &str) -> Option<(String, u64, &str)> {
    let mut words = line.split_whitespace();
    Some((parse_sha256(words.next()?)?, words.next()?.parse().ok()?, words.next()?))
}

/// Calls `found` with the paragraph of each package whose name `is_wanted`.
///
/// Other paragraphs, tens of thousands in an index, are not parsed.
pub(crate) fn paragraphs(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_in_release_names_its_suite_and_the_index_of_its_sources() {
        let (gzip, xz) = ("11".repeat(32), "22".repeat(32));
        let text = format!(
            "Origin: Debian\nSuite: oldstable-security\nCodename: bookworm-security\n\
             Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC\nAcquire-By-Hash: yes\nMD5Sum:\n \
             d41d8cd98f00b204e9800998ecf8427e 9 main/source/Sources.xz\nSHA256:\n {gzip} 9 main/source/Sources.gz\n {xz} 7 main/source/Sources.xz\n"
        );
        let suite = Suite::parse(&text).unwrap();
        assert!(suite.is("bookworm-security") && suite.is("oldstable-security") && !suite.is("bookworm"));
        assert!(suite.is_debian() && suite.by_hash);
        assert_eq!(suite.valid_until.unwrap().to_string(), "2026-11-28T00:53:02Z");
        let sources = suite.sources.unwrap();
        assert_eq!((sources.path.as_str(), sources.bytes, sources.sha256), ("main/source/Sources.xz", 7, xz));
    }
}
