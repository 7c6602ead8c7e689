//! Debian: the upstream archives of its `linux` source packages.
//!
//! Trust runs from the archive key over the suite's `InRelease` and its `Sources` index to the
//! archive's SHA-256.

mod apt;
pub mod binary;
mod index;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::apt::{AptSource, SignedBy};
use self::index::{IndexFile, Suite, Upstream};
use super::catalogue::{Candidate, Catalogue, Vouched};
use super::error::{Error, Tried};
use super::http::{Failure, Http};
use super::kernel_org::delivering;
use super::keys::read_keyring;
use super::offer::{Location, Offer, Origin};
use crate::base::archive::decompress::Compression;
use crate::base::cache_key::{Key, hex};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::openpgp::verify::{Certificates, Signer};
use crate::base::store::{Lookup, Room};

const NAME: &str = "debian";
const IN_RELEASE_LIMIT: u64 = 8 << 20;
const INDEX_LIMIT: u64 = 256 << 20;
/// Releases of Debian that carry kernels with io threads, and what comes after them.
const RELEASES: [&str; 5] = ["bullseye", "bookworm", "trixie", "forky", "duke"];
const ROLLING: [&str; 2] = ["sid", "experimental"];
/// Where the distribution's own keyring package puts the archive's keys.
const ARCHIVE_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRUSTED_PARTS: &str = "/etc/apt/trusted.gpg.d";

/// Where Debian is, and who may sign for it.
#[derive(Clone, Debug)]
pub struct Debian {
    /// Repositories that may hold the suites, best first.
    archive: Vec<Repository>,
    security: Vec<Repository>,
}

#[derive(Clone, Debug)]
struct Repository {
    base: String,
    keys: Certificates,
}

/// The host's certificates and those that the user gave.
fn joined(mut keys: Certificates, given: Option<&Certificates>) -> Certificates {
    if let Some(given) = given {
        keys.add(given.clone());
    }
    keys
}

impl Debian {
    /// The mirror that the user named, else those that the host's apt has.
    pub fn new(mirror: Option<&str>, keyring: Option<&Path>) -> Result<Debian, Error> {
        let given = keyring.map(read_keyring).transpose()?;
        let Some(mirror) = mirror else { return Debian::of_apt(Path::new("/etc/apt"), given) };
        let base = mirror.trim_end_matches('/').to_owned();
        let keys = joined(default_keys(), given.as_ref());
        Ok(Debian {
            security: vec![Repository { base: format!("{base}-security"), keys: keys.clone() }],
            archive: vec![Repository { base, keys }],
        })
    }

    fn of_apt(etc: &Path, given: Option<Certificates>) -> Result<Debian, Error> {
        let mut debian = Debian { archive: Vec::new(), security: Vec::new() };
        for source in apt::sources(etc) {
            if !source.components.iter().any(|component| component == "main") {
                continue;
            }
            let has = |wanted: fn(&str) -> bool| source.suites.iter().any(|suite| wanted(suite));
            let is_security = has(|suite| suite.ends_with("-security"));
            let is_archive = has(|suite| is_debian_suite(suite) && !suite.ends_with("-security"));
            if !is_security && !is_archive {
                continue;
            }
            let keys = joined(keys_of(&source), given.as_ref());
            let list = if is_security { &mut debian.security } else { &mut debian.archive };
            if !list.iter().any(|known: &Repository| known.base == source.uri) {
                list.push(Repository { base: source.uri, keys });
            }
        }
        // A host without a line for security updates: its mirror usually has them beside.
        let beside = debian.archive.iter().map(|repository| Repository {
            base: format!("{}-security", repository.base),
            keys: repository.keys.clone(),
        });
        if debian.security.is_empty() {
            debian.security = beside.collect();
        }
        Ok(debian)
    }

    /// Whether a mirror of the archive itself is known, not only one of its security updates.
    pub fn has_archive(&self) -> bool {
        !self.archive.is_empty()
    }

    /// Whether the fingerprint is that of a certificate that may sign for Debian now.
    pub fn trusts(&self, signer: &str) -> bool {
        let repositories = self.archive.iter().chain(&self.security);
        repositories.flat_map(|repository| repository.keys.fingerprints()).any(|known| known == signer)
    }

    /// What all suites list.
    pub fn catalogue(&self, cx: &Context, http: &Http) -> Result<Catalogue, Error> {
        if self.archive.is_empty() && self.security.is_empty() {
            let reason = "this host's apt knows no Debian mirror; give --debian-mirror";
            return Ok(Catalogue::failed(NAME, reason));
        }
        let suites = suites();
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> =
                suites.iter().map(|suite| scope.spawn(|| self.suite(cx, http, suite))).collect();
            running.into_iter().map(|thread| thread.join().expect("listing does not panic")).collect()
        });
        let mut catalogue = Catalogue::default();
        let mut unreachable = Vec::new();
        for (suite, result) in suites.iter().zip(results) {
            match result {
                Ok(candidates) => catalogue.candidates.extend(candidates),
                Err(Refused::Interrupted) => return Err(Error::Interrupted),
                Err(Refused::Store(error)) => return Err(error),
                Err(Refused::Absent) => {}
                Err(Refused::Unreachable(reason)) => unreachable.push(reason),
                Err(Refused::Failed(reason)) => {
                    catalogue.add(Catalogue::failed(&format!("{NAME} ({suite})"), reason));
                }
            }
        }
        // One line for a mirror that is down, not one for each of its suites.
        unreachable.sort();
        unreachable.dedup();
        for reason in unreachable {
            catalogue.add(Catalogue::failed(NAME, reason));
        }
        Ok(catalogue)
    }

    fn suite(&self, cx: &Context, http: &Http, name: &str) -> Result<Vec<Candidate>, Refused> {
        let repositories = if name.ends_with("-security") { &self.security } else { &self.archive };
        let mut failure = Refused::Absent;
        for repository in repositories {
            match repository.suite(cx, http, name) {
                Err(Refused::Absent) => {}
                Err(error @ (Refused::Unreachable(_) | Refused::Failed(_))) => failure = error,
                other => return other,
            }
        }
        Err(failure)
    }

    /// The candidate as an offer if the mirror really has it; else why not.
    pub fn offer(&self, http: &Http, candidate: &Candidate) -> Result<Result<Offer, Tried>, Error> {
        let urls = match delivering(http, &candidate.urls) {
            Ok(urls) => urls,
            Err(Failure::Interrupted) => return Err(Error::Interrupted),
            Err(failure) => {
                let reason =
                    format!("{} is listed but not delivered ({})", candidate.release, failure.short());
                return Ok(Err(Tried { source: candidate.source(), reason }));
            }
        };
        Ok(Ok(Offer {
            origin: Origin::Debian,
            release: candidate.release,
            url: urls[0].clone(),
            location: Location::Remote { urls, sha256: candidate.sha256.clone(), bytes: candidate.bytes },
            evidence: candidate.checksum().into_iter().collect(),
            accept_unverified: false,
        }))
    }
}

enum Refused {
    /// The mirror does not have the suite.
    Absent,
    Unreachable(String),
    Failed(String),
    Store(Error),
    Interrupted,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Interrupted => Refused::Interrupted,
            failure if failure.is_absent() => Refused::Absent,
            Failure::Name { .. } | Failure::Unreachable { .. } => Refused::Unreachable(failure.to_string()),
            failure => Refused::Failed(failure.to_string()),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted => Refused::Interrupted,
            error => Refused::Store(error),
        }
    }
}

impl Repository {
    /// The suite's signed statement, and who signed it.
    fn in_release(&self, http: &Http, name: &str) -> Result<(Suite, Signer), Refused> {
        let document = http.get(&format!("{}/dists/{name}/InRelease", self.base), IN_RELEASE_LIMIT)?;
        let (text, signer) = self
            .keys
            .check_clearsigned(&document)
            .map_err(|error| Refused::Failed(format!("its InRelease is not to be trusted: {error}")))?;
        let malformed = || Refused::Failed("its InRelease cannot be read".to_owned());
        let suite = Suite::parse(&text).ok_or_else(malformed)?;
        if !suite.is(name) {
            return Err(Refused::Failed("its InRelease is that of another suite".to_owned()));
        }
        if !suite.is_debian() {
            return Err(Refused::Failed(format!("it is published by {:?}, not by Debian", suite.origin)));
        }
        Ok((suite, signer))
    }

    fn suite(&self, cx: &Context, http: &Http, name: &str) -> Result<Vec<Candidate>, Refused> {
        let (suite, signer) = self.in_release(http, name)?;
        let Some(sources) = &suite.sources else { return Ok(Vec::new()) };
        let upstreams = self.upstreams(cx, http, name, &suite, sources)?;
        let caveat = suite.valid_until.filter(|until| *until < Timestamp::now()).map(|until| {
            format!("the mirror's index of {name} was valid until {until} only; it may lack newer releases")
        });
        let candidates = upstreams.into_iter().map(|upstream| Candidate {
            origin: Origin::Debian,
            release: upstream.release,
            listed_by: name.to_owned(),
            urls: vec![self.address(&upstream)],
            bytes: Some(upstream.bytes),
            vouched: Some(vouched(name, &signer, &upstream)),
            sha256: Some(upstream.sha256),
            caveat: caveat.clone(),
        });
        Ok(candidates.collect())
    }

    fn address(&self, upstream: &Upstream) -> String {
        // A Debian version may hold a ~, which some mirrors only know in its plain form.
        format!("{}/{}/{}", self.base, upstream.directory, upstream.file)
    }

    /// From the store, where a former run read the same index.
    fn upstreams(
        &self,
        cx: &Context,
        http: &Http,
        name: &str,
        suite: &Suite,
        sources: &IndexFile,
    ) -> Result<Vec<Upstream>, Refused> {
        // The number is that of the form in which the extract is kept.
        let key = Key::of("debian-sources", &(1, &sources.sha256));
        let slot = match cx.lookup(Stage::Fetch, Room::Indexes, key.as_str()).map_err(Error::from)? {
            Lookup::Hit(entry) => {
                let path = entry.path().join("upstreams.json");
                let read = std::fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
                return read.map_err(|source| Refused::Store(Error::Archive { path, source }));
            }
            Lookup::Miss(slot) => slot,
        };
        let plain = self.index(http, name, suite, sources)?;
        let upstreams = index::upstreams(plain).map_err(|error| sources.unreadable(&error))?;
        let path = slot.path().join("upstreams.json");
        let text = serde_json::to_vec(&upstreams).expect("plain data");
        std::fs::write(&path, text).map_err(|source| Refused::Store(Error::Write { path, source }))?;
        slot.commit().map_err(Error::from)?;
        Ok(upstreams)
    }

    /// The plain text of an index, fetched whole and compared with its checksum.
    fn index(
        &self,
        http: &Http,
        name: &str,
        suite: &Suite,
        index: &IndexFile,
    ) -> Result<Box<dyn Read + Send>, Refused> {
        let folder = format!("{}/dists/{name}", self.base);
        let plain = format!("{folder}/{}", index.path);
        // By-Hash names cannot change between the fetch of InRelease and this one.
        let by_hash = format!("{folder}/{}/by-hash/SHA256/{}", index.folder(), index.sha256);
        let limit = index.bytes.min(INDEX_LIMIT);
        let packed = match suite.by_hash.then(|| http.get(&by_hash, limit)) {
            Some(Ok(packed)) => packed,
            Some(Err(Failure::Interrupted)) => return Err(Refused::Interrupted),
            Some(Err(_)) | None => http.get(&plain, limit).map_err(|failure| match failure {
                Failure::Interrupted => Refused::Interrupted,
                failure => Refused::Failed(format!("its {} index is not delivered: {failure}", index.name())),
            })?,
        };
        if hex(&Sha256::digest(&packed)) != index.sha256 {
            return Err(Refused::Failed(format!(
                "its {} index is not the one that InRelease names (altered, or an update is under way)",
                index.name()
            )));
        }
        // The suites are read side by side already.
        let plain = Compression::of(&packed).reader(io::Cursor::new(packed), 1);
        plain.map_err(|error| index.unreadable(&error))
    }
}

impl IndexFile {
    fn unreadable(&self, error: &io::Error) -> Refused {
        Refused::Failed(format!("its {} index cannot be read: {error}", self.name()))
    }
}

fn vouched(suite: &str, signer: &Signer, upstream: &Upstream) -> Vouched {
    Vouched {
        chain: format!(
            "InRelease of {suite} signed by {signer}; its Sources index; the SHA-256 of {} in it",
            upstream.file
        ),
        signer: Some(signer.fingerprint.clone()),
    }
}

fn suites() -> Vec<String> {
    let mut suites: Vec<String> = Vec::new();
    for release in RELEASES {
        suites.extend([format!("{release}-security"), release.to_owned(), format!("{release}-backports")]);
    }
    suites.extend(ROLLING.map(str::to_owned));
    suites
}

fn is_debian_suite(name: &str) -> bool {
    const ALIASES: [&str; 5] = ["oldoldstable", "oldstable", "stable", "testing", "unstable"];
    let base = name.split('-').next().unwrap_or(name);
    RELEASES.contains(&base) || ROLLING.contains(&base) || ALIASES.contains(&base)
}

fn keys_of(source: &AptSource) -> Certificates {
    match &source.signed_by {
        SignedBy::Default => default_keys(),
        SignedBy::Inline(certificates) => certificates.clone(),
        SignedBy::Keyrings(paths) => read_all(paths),
    }
}

/// What apt trusts where nothing else is said, the distribution's own keyring before the rest.
fn default_keys() -> Certificates {
    let keys = read_all(&[PathBuf::from(ARCHIVE_KEYRING)]);
    if !keys.is_empty() {
        return keys;
    }
    let parts = std::fs::read_dir(TRUSTED_PARTS).into_iter().flatten().flatten();
    read_all(&parts.map(|entry| entry.path()).collect::<Vec<_>>())
}

fn read_all(paths: &[PathBuf]) -> Certificates {
    let mut all = Certificates::default();
    for path in paths {
        // A keyring that is missing can only make a signature untrusted, which is then said.
        all.add(read_keyring(path).unwrap_or_default());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_party_repositories_are_told_from_debians() {
        let etc = tempfile::tempdir().unwrap();
        let list = "deb https://tool.example.org/linux/debian bookworm stable\n\
                    deb https://db.example.org/apt bookworm-pgdg-tools extra\n\
                    deb http://mirror.example.org/debian bookworm main\n\
                    deb http://mirror.example.org/security bookworm-security main\n";
        std::fs::write(etc.path().join("sources.list"), list).unwrap();
        let debian = Debian::of_apt(etc.path(), Some(Certificates::default())).unwrap();
        assert_eq!(debian.archive.len(), 1);
        assert_eq!(debian.archive[0].base, "http://mirror.example.org/debian");
        assert_eq!(debian.security[0].base, "http://mirror.example.org/security");
    }

    #[test]
    fn a_host_without_a_security_line_is_looked_up_beside_its_mirror() {
        let etc = tempfile::tempdir().unwrap();
        std::fs::write(etc.path().join("sources.list"), "deb http://m.example.org/debian stable main\n")
            .unwrap();
        let debian = Debian::of_apt(etc.path(), Some(Certificates::default())).unwrap();
        assert_eq!(debian.security[0].base, "http://m.example.org/debian-security");
    }

    #[test]
    fn every_suite_from_bullseye_on_is_searched() {
        let suites = suites();
        for name in ["bullseye", "bookworm-security", "trixie-backports", "sid", "experimental"] {
            assert!(suites.iter().any(|suite| suite == name), "{name}");
        }
        assert!(!suites.iter().any(|suite| suite == "sid-security"));
    }
}
