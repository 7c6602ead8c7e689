//! The apt repository: a pool and one suite (Debian wiki, DebianRepository/Format).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use super::date::rfc5322;
use super::error::Error;
use super::found::{self, Deb};
use super::generation::{Draft, Repository, copy};
use super::request::Publication;
use crate::base::digest::sha256;

/// Name of the suite and origin of the repository.
pub(super) const SUITE: &str = "kpatch-build";
const COMPONENT: &str = "main";
/// The architecture of packages for every architecture.
const ALL: &str = "all";

/// Opens the repository below `root`.
pub(super) fn repository(root: PathBuf) -> Result<Repository, Error> {
    Repository::open(root, "dists/kpatch-build", "pool")
}

/// Publishes exactly `debs` and returns the number of the new generation.
pub(super) fn publish(
    repository: &Repository,
    debs: &BTreeMap<String, Deb>,
    publication: &Publication,
) -> Result<u64, Error> {
    let mut draft = repository.begin(publication.date)?;
    let mut paragraphs = Vec::new();
    for (name, deb) in debs {
        let path = pool_path(deb);
        add_to_pool(repository, name, deb, &path, publication)?;
        draft.package(&path);
        paragraphs.push((deb.architecture.as_str(), paragraph(deb, &path)));
    }
    let architectures = architectures(debs);
    let mut listed = String::new();
    for architecture in &architectures {
        let included = |(of, _): &&(&str, String)| of == architecture || *of == ALL;
        let packages: String = paragraphs.iter().filter(included).map(|(_, text)| text.as_str()).collect();
        write_index(&mut draft, architecture, packages.as_bytes(), &mut listed)?;
    }
    let text = release_file(publication.date, &architectures, &listed);
    draft.file("Release", text.as_bytes())?;
    draft.file("Release.gpg", publication.key.detached(text.as_bytes(), publication.date)?.as_bytes())?;
    draft.file("InRelease", publication.key.cleartext(&text, publication.date)?.as_bytes())?;
    draft.publish(publication.keep)
}

/// Returns the path in the layout of Debian's pool, without the epoch:
/// `pool/main/l/linux-image-x/linux-image-x_1-1_amd64.deb`.
fn pool_path(deb: &Deb) -> String {
    let Deb { package, version, architecture, .. } = deb;
    let initial = &package[..if package.starts_with("lib") && package.len() > 3 { 4 } else { 1 }];
    let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    format!("pool/{COMPONENT}/{initial}/{package}/{package}_{version}_{architecture}.deb")
}

fn add_to_pool(
    repository: &Repository,
    name: &str,
    deb: &Deb,
    path: &str,
    publication: &Publication,
) -> Result<(), Error> {
    let target = repository.root.join(path);
    if !target.exists() {
        copy(&deb.path, &target)?;
    }
    // An existing file must be the same package, from an earlier run.
    if found::deb(&target, publication.stop)?.sha256 == deb.sha256 {
        return Ok(());
    }
    Err(Error::Published { name: name.to_owned(), path: deb.path.clone(), published: target })
}

fn paragraph(deb: &Deb, path: &str) -> String {
    format!("{}\nFilename: {path}\nSize: {}\nSHA256: {}\n\n", deb.control, deb.bytes, deb.sha256)
}

/// Returns the architectures of the packages, sorted. apt reads the index of its own architecture, so
/// packages for all architectures still need an index.
fn architectures(debs: &BTreeMap<String, Deb>) -> BTreeSet<&str> {
    let found: BTreeSet<_> = debs
        .values()
        .map(|deb| deb.architecture.as_str())
        .filter(|architecture| *architecture != ALL)
        .collect();
    if found.is_empty() { BTreeSet::from(["amd64"]) } else { found }
}

/// Writes an index in each compression that apt requests, by name and by checksum, and appends its lines of
/// `Release` to `listed`.
fn write_index(draft: &mut Draft, architecture: &str, text: &[u8], listed: &mut String) -> Result<(), Error> {
    let dir = format!("{COMPONENT}/binary-{architecture}");
    let forms = [("Packages", text.to_vec()), ("Packages.gz", gzip(text)), ("Packages.xz", xz(text))];
    for (name, content) in forms {
        let sha256 = sha256(&content);
        draft.file(&format!("{dir}/{name}"), &content)?;
        draft.index(&format!("{dir}/by-hash/SHA256/{sha256}"), &content)?;
        listed.push_str(&format!(" {sha256} {} {dir}/{name}\n", content.len()));
    }
    Ok(())
}

/// Compresses without a time and a name, so that the output depends only on the content.
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let packed = encoder.write_all(content).and_then(|()| encoder.finish());
    packed.expect("writing to a Vec cannot fail")
}

fn xz(content: &[u8]) -> Vec<u8> {
    liblzma::encode_all(io::Cursor::new(content), 6).expect("writing to a Vec cannot fail")
}

/// Returns the `Release` file. It has no Valid-Until: clients may use a repository that is no longer updated.
fn release_file(date: i64, architectures: &BTreeSet<&str>, listed: &str) -> String {
    let architectures = architectures.iter().copied().collect::<Vec<_>>().join(" ");
    format!(
        "Origin: {SUITE}\nLabel: {SUITE}\nSuite: {SUITE}\nCodename: {SUITE}\nDate: {}\n\
         Acquire-By-Hash: yes\nArchitectures: {architectures}\nComponents: {COMPONENT}\n\
         Description: Linux kernels built by kpatch-build\nSHA256:\n{listed}",
        rfc5322(date)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_has_the_layout_of_debians() {
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
