//! The packages of a folder, with what they say about themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::rpm::{IndexTag, PackageMetadata};
use sha2::{Digest, Sha256};

use super::control;
use super::error::Error;
use crate::base::cache_key::hex;
use crate::base::stop::Stop;

/// Each package once, by what clients call it: name, version, architecture.
#[derive(Debug, Default)]
pub struct Found {
    pub debs: BTreeMap<String, Deb>,
    pub rpms: BTreeMap<String, Rpm>,
}

/// A `.deb` (deb(5)).
#[derive(Debug)]
pub struct Deb {
    pub path: PathBuf,
    /// The control file, one paragraph without an empty line.
    pub control: String,
    pub package: String,
    /// With its epoch, where it has one.
    pub version: String,
    pub architecture: String,
    pub bytes: u64,
    pub sha256: String,
}

/// An `.rpm`, without its payload.
pub struct Rpm {
    pub path: PathBuf,
    pub metadata: PackageMetadata,
    /// Of header and payload: what stays the same when the package is signed.
    pub content: String,
    pub bytes: u64,
    /// Of the whole file, signatures too.
    pub sha256: String,
}

impl std::fmt::Debug for Rpm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rpm").field("path", &self.path).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// Reads every package in and below `dir`, but nothing below `except`.
pub fn read(dir: &Path, except: &Path, stop: &Stop) -> Result<Found, Error> {
    if !dir.is_dir() {
        return Err(Error::NoFolder { path: dir.to_owned() });
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
    for entry in dir.read_dir().map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link to a folder may lead in a circle, one to a file cannot.
        let kind = entry.file_type().map_err(Error::io("examine", &path))?;
        if kind.is_dir() && path.canonicalize().map_err(Error::io("examine", &path))? != except {
            collect(&path, except, paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

/// The same package may lie in the folders of two runs.
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

pub fn deb(path: &Path, stop: &Stop) -> Result<Deb, Error> {
    let broken = |source| unreadable(path, stop, source);
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut reader = Hashing::new(BufReader::with_capacity(1 << 18, file), stop);
    let control = control::read(&mut reader).map_err(broken)?;
    let (sha256, bytes) = reader.finish().map_err(broken)?;
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
    if stop.is_set() { Error::Interrupted } else { Error::Deb { path: path.to_owned(), source } }
}

/// What may be part of a file name in the pool: no `/`, and never `.` or `..`.
pub fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.~:_^".contains(c))
}

pub fn rpm(path: &Path, stop: &Stop) -> Result<Rpm, Error> {
    let failed = |source: io::Error| match stop.is_set() {
        true => Error::Interrupted,
        false => Error::Io { action: "read", path: path.to_owned(), source },
    };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?);
    let metadata = PackageMetadata::parse(&mut reader).map_err(not_an_rpm(path))?;
    metadata.verify_digests().map_err(not_an_rpm(path))?;
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut whole = Hashing::new(reader, stop);
    let front = metadata.get_package_segment_offsets().payload;
    io::copy(&mut whole.by_ref().take(front), &mut io::sink()).map_err(failed)?;
    let mut payload = Hashing::new(&mut whole, stop);
    io::copy(&mut payload, &mut io::sink()).map_err(failed)?;
    let (payload, _) = payload.finish().map_err(failed)?;
    let (sha256, bytes) = whole.finish().map_err(failed)?;
    let named = metadata.header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256);
    if named.is_ok_and(|named| named.first().is_some_and(|named| **named != payload)) {
        return Err(Error::Payload { path: path.to_owned() });
    }
    let mut content = Sha256::new();
    content.update(metadata.header_bytes().map_err(not_an_rpm(path))?);
    content.update(payload);
    Ok(Rpm { path: path.to_owned(), metadata, content: hex(&content.finalize()), bytes, sha256 })
}

pub fn not_an_rpm(path: &Path) -> impl Fn(::rpm::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Rpm { path: path.clone(), source: Box::new(source) }
}

/// Counts and hashes what is read.
struct Hashing<'a, R> {
    inner: R,
    sha256: Sha256,
    bytes: u64,
    stop: &'a Stop,
}

impl<'a, R: Read> Hashing<'a, R> {
    fn new(inner: R, stop: &'a Stop) -> Hashing<'a, R> {
        Hashing { inner, sha256: Sha256::new(), bytes: 0, stop }
    }

    /// The checksum in hexadecimal and the length, of all that there is.
    fn finish(mut self) -> io::Result<(String, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((hex(&self.sha256.finalize()), self.bytes))
    }
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            // Not Interrupted, which io::copy would take for a reason to try again.
            return Err(io::Error::other("interrupted"));
        }
        let count = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_not_plain() {
        for name in ["linux-image-6.1.187", "1:6.1.187~rc1-1", "x86_64"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "../x", "-x", "a b", "a\nb"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
