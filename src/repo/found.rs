//! The packages of a directory and their metadata.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::rpm::{IndexTag, PackageMetadata};
use fs_err::{self as fs, File};
use sha2::{Digest, Sha256};

use super::control;
use super::error::Error;
use super::rpm_header;
use crate::base::digest::{Hashed, Hashing, hex};
use crate::base::interruptible::StopReader;
use crate::base::stop::{Interrupted, Stop};

/// Each package once, by the name that clients use: name, version, architecture.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) debs: BTreeMap<String, Deb>,
    pub(super) rpms: BTreeMap<String, Rpm>,
}

/// A `.deb` (deb(5)).
#[derive(Debug)]
pub(crate) struct Deb {
    pub(super) path: PathBuf,
    /// The control file: one paragraph without an empty line.
    pub(super) control: String,
    pub(super) package: String,
    /// Includes the epoch, if any.
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// An `.rpm`, without its payload.
pub(crate) struct Rpm {
    pub(super) path: PathBuf,
    pub(super) metadata: PackageMetadata,
    /// SHA-256 of header and payload, which signing does not change.
    pub(super) content: String,
    pub(super) bytes: u64,
    /// SHA-256 of the whole file, including signatures.
    pub(super) sha256: String,
}

impl std::fmt::Debug for Rpm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rpm").field("path", &self.path).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// Reads every package in and below `dir`, except below `except`.
pub(super) fn read(dir: &Path, except: &Path, stop: &Stop) -> Result<Found, Error> {
    if !dir.is_dir() {
        return Err(Error::NoDirectory { path: dir.to_owned() });
    }
    let mut found = Found::default();
    let mut paths = Vec::new();
    collect(dir, except, &mut paths)?;
    paths.sort();
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("deb") => {
                let deb = deb(&path, stop)?;
                let name = format!("{} {} {}", deb.package, deb.version, deb.architecture);
                add(&mut found.debs, name, deb, |deb| (&deb.path, &deb.sha256))?;
            }
            Some("rpm") => {
                let rpm = rpm(&path, stop)?;
                let name = rpm.metadata.get_nevra().map_err(not_an_rpm(&path))?.to_string();
                add(&mut found.rpms, name, rpm, |rpm| (&rpm.path, &rpm.content))?;
            }
            _ => {}
        }
    }
    match found.debs.is_empty() && found.rpms.is_empty() {
        true => Err(Error::NoPackage { path: dir.to_owned() }),
        false => Ok(found),
    }
}

fn collect(dir: &Path, except: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Links to directories may form a circle; links to files cannot.
        if entry.file_type()?.is_dir() && fs::canonicalize(&path)? != except {
            collect(&path, except, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

/// Adds a package unless it is already known; directories of two runs may hold the same one.
fn add<P>(
    packages: &mut BTreeMap<String, P>,
    name: String,
    package: P,
    identity: impl Fn(&P) -> (&PathBuf, &String),
) -> Result<(), Error> {
    if let Some(other) = packages.get(&name) {
        let ((path, content), (other_path, other_content)) = (identity(&package), identity(other));
        if content != other_content {
            return Err(Error::Differ { name, paths: [other_path.clone(), path.clone()] });
        }
        return Ok(());
    }
    packages.insert(name, package);
    Ok(())
}

/// Reads a `.deb` to its end.
pub(crate) fn deb(path: &Path, stop: &Stop) -> Result<Deb, Error> {
    let broken = |source| unreadable(path, stop, source);
    let file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut reader = Hashing::new(StopReader::new(file, stop));
    let control = control::read(&mut reader).map_err(broken)?;
    let Hashed { sha256, bytes, .. } = read_to_end(reader).map_err(broken)?;
    let fields = control::parse(&control).map_err(broken)?;
    let field = |name: &'static str| {
        let value = fields.get(name).unwrap_or_default().to_owned();
        is_plain(&value).then_some(value.clone()).ok_or(Error::Name {
            path: path.to_owned(),
            what: name,
            value,
        })
    };
    let (package, version, architecture) = (field("Package")?, field("Version")?, field("Architecture")?);
    Ok(Deb { path: path.to_owned(), control, package, version, architecture, bytes, sha256 })
}

fn unreadable(path: &Path, stop: &Stop, source: io::Error) -> Error {
    if stop.is_set() { Interrupted.into() } else { Error::Deb { path: path.to_owned(), source } }
}

/// Whether `text` may be part of a file name in the pool: it has no `/`, and is neither `.` nor `..`.
pub(super) fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.~:_^".contains(c))
}

/// Reads an `.rpm` to its end and verifies its checksums.
pub(crate) fn rpm(path: &Path, stop: &Stop) -> Result<Rpm, Error> {
    let failed = |error: io::Error| match stop.is_set() {
        true => Error::from(Interrupted),
        false => Error::from(error),
    };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let length = reader.get_ref().metadata()?.len();
    if let Err(reason) = rpm_header::check(&mut reader, length) {
        return Err(Error::RpmHeader { path: path.to_owned(), reason });
    }
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    let metadata = PackageMetadata::parse(&mut reader).map_err(not_an_rpm(path))?;
    metadata.verify_digests().map_err(not_an_rpm(path))?;
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut whole = Hashing::new(StopReader::new(reader, stop));
    let front = metadata.get_package_segment_offsets().payload;
    io::copy(&mut whole.by_ref().take(front), &mut io::sink()).map_err(failed)?;
    let payload = read_to_end(Hashing::new(&mut whole)).map_err(failed)?.sha256;
    let Hashed { sha256, bytes, .. } = whole.finish();
    let named = metadata.header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256);
    if named.is_ok_and(|named| named.first().is_some_and(|named| **named != payload)) {
        return Err(Error::Payload { path: path.to_owned() });
    }
    let mut content = Sha256::new();
    content.update(metadata.header_bytes().map_err(not_an_rpm(path))?);
    content.update(payload);
    Ok(Rpm { path: path.to_owned(), metadata, content: hex(&content.finalize()), bytes, sha256 })
}

pub(super) fn not_an_rpm(path: &Path) -> impl Fn(::rpm::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Rpm { path: path.clone(), source: Box::new(source) }
}

/// Reads the rest and ends the hash.
fn read_to_end<R: Read>(mut reader: Hashing<R>) -> io::Result<Hashed<R>> {
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_escapes_the_pool_is_not_plain() {
        for name in ["linux-image-6.1.187", "1:6.1.187~rc1-1", "x86_64"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "../x", "-x", "a b", "a\nb"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
