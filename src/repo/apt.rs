//! The apt repository (DebianRepository/Format of the Debian wiki): a pool and one suite.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Release;
use super::error::Error;
use super::found::{self, Deb};
use super::generation::{Draft, Half, link_or_copy};
use crate::base::cache_key::hex;

/// The suite, and what the repository calls itself.
pub const SUITE: &str = "kpatch-build";
const COMPONENT: &str = "main";
/// Of packages for every architecture.
const ALL: &str = "all";

pub fn half(root: std::path::PathBuf) -> Result<Half, Error> {
    Half::open(root, "dists/kpatch-build", "pool")
}

/// Publishes `debs` and nothing else; the generation's number.
pub fn publish(half: &Half, debs: &BTreeMap<String, Deb>, release: &Release) -> Result<u64, Error> {
    let mut draft = half.begin(release.date)?;
    let mut paragraphs = Vec::new();
    for (name, deb) in debs {
        let path = pool_path(deb);
        place(half, name, deb, &path, release)?;
        draft.package(&path);
        paragraphs.push((deb.architecture.as_str(), paragraph(deb, &path)));
    }
    let architectures = architectures(debs);
    let mut listed = String::new();
    for architecture in &architectures {
        let of_it = |(of, _): &&(&str, String)| of == architecture || *of == ALL;
        let packages: String = paragraphs.iter().filter(of_it).map(|(_, text)| text.as_str()).collect();
        write_index(&mut draft, architecture, packages.as_bytes(), &mut listed)?;
    }
    let text = release_file(release.date, &architectures, &listed);
    draft.file("Release", text.as_bytes())?;
    draft.file("Release.gpg", release.key.detached(text.as_bytes(), release.date)?.as_bytes())?;
    draft.file("InRelease", release.key.cleartext(&text, release.date)?.as_bytes())?;
    draft.publish(release.keep)
}

/// As Debian's own pool: `pool/main/l/linux-image-x/linux-image-x_1-1_amd64.deb`, without the epoch.
fn pool_path(deb: &Deb) -> String {
    let Deb { package, version, architecture, .. } = deb;
    let initial = &package[..if package.starts_with("lib") && package.len() > 3 { 4 } else { 1 }];
    let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    format!("pool/{COMPONENT}/{initial}/{package}/{package}_{version}_{architecture}.deb")
}

fn place(half: &Half, name: &str, deb: &Deb, path: &str, release: &Release) -> Result<(), Error> {
    let place = half.root.join(path);
    if !place.exists() {
        link_or_copy(&deb.path, &place)?;
    }
    // A link to the same file, or the same package of an earlier run.
    if found::deb(&place, release.stop)?.sha256 == deb.sha256 {
        return Ok(());
    }
    Err(Error::Published { name: name.to_owned(), path: deb.path.clone(), published: place })
}

fn paragraph(deb: &Deb, path: &str) -> String {
    format!("{}\nFilename: {path}\nSize: {}\nSHA256: {}\n\n", deb.control, deb.bytes, deb.sha256)
}

/// Each package's own, in order. A machine has one, so `all` alone would be for none.
fn architectures(debs: &BTreeMap<String, Deb>) -> BTreeSet<&str> {
    let found: BTreeSet<_> = debs
        .values()
        .map(|deb| deb.architecture.as_str())
        .filter(|architecture| *architecture != ALL)
        .collect();
    if found.is_empty() { BTreeSet::from(["amd64"]) } else { found }
}

/// Writes an index in each form that apt asks for, also by its checksum, and its lines of `Release`.
fn write_index(draft: &mut Draft, architecture: &str, text: &[u8], listed: &mut String) -> Result<(), Error> {
    let folder = format!("{COMPONENT}/binary-{architecture}");
    let forms = [("Packages", text.to_vec()), ("Packages.gz", gzip(text)), ("Packages.xz", xz(text))];
    for (name, content) in forms {
        let sha256 = hex(&Sha256::digest(&content));
        draft.file(&format!("{folder}/{name}"), &content)?;
        draft.index(&format!("{folder}/by-hash/SHA256/{sha256}"), &content)?;
        listed.push_str(&format!(" {sha256} {} {folder}/{name}\n", content.len()));
    }
    Ok(())
}

/// Without a time or a name in it, so that it depends on the content alone.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let packed = encoder.write_all(content).and_then(|()| encoder.finish());
    packed.expect("a Vec takes every byte")
}

fn xz(content: &[u8]) -> Vec<u8> {
    liblzma::encode_all(io::Cursor::new(content), 6).expect("a Vec takes every byte")
}

/// Without Valid-Until: a repository is as old as the last build, and that it stops being
/// updated is no reason for clients to refuse it.
fn release_file(date: i64, architectures: &BTreeSet<&str>, listed: &str) -> String {
    let architectures = architectures.iter().copied().collect::<Vec<_>>().join(" ");
    format!(
        "Origin: {SUITE}\nLabel: {SUITE}\nSuite: {SUITE}\nCodename: {SUITE}\nDate: {}\n\
         Acquire-By-Hash: yes\nArchitectures: {architectures}\nComponents: {COMPONENT}\n\
         Description: Linux kernels made by kpatch-build\nSHA256:\n{listed}",
        self::date(date)
    )
}

/// As RFC 5322 has it, in UTC, which is all that apt reads.
pub fn date(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_the_one_that_apt_reads() {
        assert_eq!(date(1_700_000_000), "Tue, 14 Nov 2023 22:13:20 UTC");
    }

    #[test]
    fn the_pool_is_laid_out_as_debians() {
        let deb = |package: &str, version: &str| Deb {
            path: "x.deb".into(),
            control: String::new(),
            package: package.into(),
            version: version.into(),
            architecture: "amd64".into(),
            bytes: 0,
            sha256: String::new(),
        };
        assert_eq!(
            pool_path(&deb("linux-image-x", "1:6.1-1")),
            "pool/main/l/linux-image-x/linux-image-x_6.1-1_amd64.deb"
        );
        assert_eq!(pool_path(&deb("libx", "1")), "pool/main/libx/libx/libx_1_amd64.deb");
        assert_eq!(pool_path(&deb("lib", "1")), "pool/main/l/lib/lib_1_amd64.deb");
    }
}
