//! A client for Debian's archive, with the mirrors and keys of the host's apt.
//!
//! Trust runs from the archive key through the suite's `InRelease` and the index that it names to the SHA-256
//! of each file.

mod apt;
pub(crate) mod binary;
pub mod error;
pub(crate) mod index;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use self::apt::{AptSource, SignedBy};
use self::error::SuiteError;
use self::index::{IndexFile, Suite};
use super::archive::decompress::Compression;
use super::cache_key::Key;
use super::context::Context;
use super::digest::sha256;
use super::events::Stage;
use super::http::{self, Http};
use super::openpgp::keyring::{KeyringError, files_of, read_keyring, read_keyrings};
use super::openpgp::verify::{Certificates, Signer};
use super::seen::Seen;
use super::store::Bucket;

/// The name of this source in lists and reports.
pub(crate) const NAME: &str = "debian";
const IN_RELEASE_LIMIT: u64 = 8 << 20;
const INDEX_LIMIT: u64 = 256 << 20;
/// Debian releases with kernels that have io threads, and the releases after them.
const RELEASES: [&str; 5] = ["bullseye", "bookworm", "trixie", "forky", "duke"];
const ROLLING: [&str; 2] = ["sid", "experimental"];
/// Names that move from release to release.
const ALIASES: [&str; 5] = ["oldoldstable", "oldstable", "stable", "testing", "unstable"];
/// The keys of the archive as the package debian-archive-keyring installs them.
const ARCHIVE_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRUSTED_PARTS: &str = "/etc/apt/trusted.gpg.d";

/// The mirrors to use and the certificates that may sign for Debian.
#[derive(Clone, Debug)]
pub(crate) struct Debian {
    /// Repositories of the archive, in the order to try.
    archive: Vec<Repository>,
    /// Repositories of its security updates, in the order to try.
    security: Vec<Repository>,
}

/// One repository: the parent of `dists` and `pool`.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// Without a slash at the end.
    base: String,
    keys: Certificates,
    accept_stale: bool,
}

/// An `InRelease` whose signature is good.
struct Signed {
    document: Vec<u8>,
    suite: Suite,
    signer: Signer,
}

impl Debian {
    /// `mirror`, or the mirrors that the host's apt uses. The certificates of `keyring` may sign too. `accept_stale`: use
    /// indexes that are no longer valid.
    pub(crate) fn new(
        mirror: Option<&str>,
        keyring: Option<&Path>,
        accept_stale: bool,
    ) -> Result<Debian, KeyringError> {
        let added = keyring.map(read_keyring).transpose()?.unwrap_or_default();
        let mut debian = match mirror {
            Some(mirror) => Debian::at(mirror, joined(default_keys(), &added)),
            None => Debian::of_apt(Path::new("/etc/apt"), &added),
        };
        for repository in debian.archive.iter_mut().chain(&mut debian.security) {
            repository.accept_stale = accept_stale;
        }
        Ok(debian)
    }

    fn at(mirror: &str, keys: Certificates) -> Debian {
        let base = mirror.trim_end_matches('/');
        Debian {
            security: vec![Repository::new(format!("{base}-security"), keys.clone())],
            archive: vec![Repository::new(base.to_owned(), keys)],
        }
    }

    fn of_apt(etc: &Path, added: &Certificates) -> Debian {
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
            let keys = joined(keys_of(&source), added);
            let list = if is_security { &mut debian.security } else { &mut debian.archive };
            if !list.iter().any(|known: &Repository| known.base == source.uri) {
                list.push(Repository::new(source.uri, keys));
            }
        }
        // Mirrors of the archive usually have the security updates next to it.
        let guessed = debian.archive.iter().map(|repository| {
            Repository::new(format!("{}-security", repository.base), repository.keys.clone())
        });
        if debian.security.is_empty() {
            debian.security = guessed.collect();
        }
        debian
    }

    /// Whether a mirror of the archive is known, not only one of its security updates.
    pub(crate) fn has_archive(&self) -> bool {
        !self.archive.is_empty()
    }

    /// Whether any mirror is known.
    pub(crate) fn has_mirror(&self) -> bool {
        self.has_archive() || !self.security.is_empty()
    }

    /// Whether the certificate with this fingerprint may sign for Debian now.
    pub(crate) fn trusts(&self, fingerprint: &str) -> bool {
        let repositories = self.archive.iter().chain(&self.security);
        repositories.flat_map(|repository| repository.keys.fingerprints()).any(|known| known == fingerprint)
    }

    /// The repositories that may have `suite`, in the order to try.
    pub(crate) fn repositories(&self, suite: &str) -> &[Repository] {
        if suite.ends_with("-security") { &self.security } else { &self.archive }
    }
}

impl Repository {
    fn new(base: String, keys: Certificates) -> Repository {
        Repository { base, keys, accept_stale: false }
    }

    /// The address of a file that an index names, below the repository.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Downloads the suite's `InRelease` and checks its signature. Returns its content and the signer.
    ///
    /// If an earlier run got a newer one from this mirror, returns that one, as apt does: an attacker or a lagging
    /// mirror must not hide releases that were published already.
    pub(crate) fn in_release(
        &self,
        cx: &Context,
        http: &Http,
        name: &str,
    ) -> Result<(Suite, Signer), SuiteError> {
        let document = http.get(&self.address(&format!("dists/{name}/InRelease")), IN_RELEASE_LIMIT)?;
        let signed = self.newest(cx, name, self.signed(document, name)?)?;
        let stale = signed.suite.valid_until.filter(|until| *until < Timestamp::now());
        match stale {
            Some(until) if !self.accept_stale => Err(SuiteError::Unusable(format!(
                "its index was valid until {until} and may lack newer releases; --accept-stale-index uses it"
            ))),
            _ => Ok((signed.suite, signed.signer)),
        }
    }

    /// Checks signature, name, publisher and date.
    fn signed(&self, document: Vec<u8>, name: &str) -> Result<Signed, SuiteError> {
        let (text, signer) = self
            .keys
            .check_clearsigned(&document)
            .map_err(|error| SuiteError::Unusable(format!("its InRelease is not trusted: {error}")))?;
        let malformed = || SuiteError::Unusable("its InRelease is malformed".to_owned());
        let suite = Suite::parse(&text).ok_or_else(malformed)?;
        if !suite.is(name) {
            return Err(SuiteError::Unusable("its InRelease is for another suite".to_owned()));
        }
        if !suite.is_debian() {
            return Err(SuiteError::Unusable(format!("its publisher is {:?}, not Debian", suite.origin)));
        }
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
        match suite.date.filter(|date| *date > tomorrow) {
            Some(date) => Err(SuiteError::Unusable(format!("its InRelease is dated in the future: {date}"))),
            None => Ok(Signed { document, suite, signer }),
        }
    }

    /// Whether an earlier run read the suite from this mirror.
    pub(crate) fn was_seen(&self, cx: &Context, name: &str) -> bool {
        cx.store.contains(Bucket::Releases, self.release_key(name).as_str())
    }

    fn release_key(&self, name: &str) -> Key {
        Key::of("in-release", &(&self.base, name))
    }

    /// The newer one of `fetched` and the one that an earlier run kept in the store, which then has it.
    fn newest(&self, cx: &Context, name: &str, fetched: Signed) -> Result<Signed, SuiteError> {
        let seen = Seen::open(cx, &self.release_key(name), "InRelease")?;
        let stored = seen.document().and_then(|document| self.signed(document, name).ok());
        match stored.filter(|stored| stored.suite.date > fetched.suite.date) {
            Some(stored) => {
                let note = format!(
                    "the mirror's index of {name} is older than the one of an earlier run; using the newer one"
                );
                cx.events.note(Stage::Fetch, note);
                Ok(stored)
            }
            None => {
                seen.keep(&fetched.document)?;
                Ok(fetched)
            }
        }
    }

    /// Downloads an index of the suite and checks its SHA-256. Returns a reader of its plain text.
    pub(crate) fn index(
        &self,
        http: &Http,
        name: &str,
        suite: &Suite,
        index: &IndexFile,
    ) -> Result<Box<dyn Read + Send>, SuiteError> {
        let directory = self.address(&format!("dists/{name}"));
        let plain = format!("{directory}/{}", index.path);
        // A by-hash file cannot change between the download of InRelease and this download.
        let by_hash = format!("{directory}/{}/by-hash/SHA256/{}", index.directory(), index.sha256);
        let limit = index.bytes.min(INDEX_LIMIT);
        let packed = match suite.by_hash.then(|| http.get(&by_hash, limit)) {
            Some(Ok(packed)) => packed,
            Some(Err(http::Error::Interrupted(interrupted))) => {
                return Err(SuiteError::Interrupted(interrupted));
            }
            Some(Err(_)) | None => http.get(&plain, limit).map_err(|error| match error {
                http::Error::Interrupted(interrupted) => SuiteError::Interrupted(interrupted),
                error => SuiteError::Unusable(format!("cannot download its {} index: {error}", index.name())),
            })?,
        };
        if sha256(&packed) != index.sha256 {
            return Err(SuiteError::Unusable(format!(
                "its {} index is not the one that InRelease names (altered, or the mirror is being updated)",
                index.name()
            )));
        }
        // One thread: the suites are read in parallel already.
        let plain = Compression::of(&packed).reader(io::Cursor::new(packed), 1);
        plain.map_err(|error| index.unreadable(&error))
    }
}

impl IndexFile {
    /// The error for an index whose text cannot be read.
    pub(crate) fn unreadable(&self, error: &io::Error) -> SuiteError {
        SuiteError::Unusable(format!("cannot read its {} index: {error}", self.name()))
    }
}

/// The suites to search for kernels, newest updates of each release first.
pub(crate) fn suites() -> Vec<String> {
    let of_release = |release: &&str| {
        [format!("{release}-security"), (*release).to_owned(), format!("{release}-backports")]
    };
    RELEASES.iter().flat_map(of_release).chain(ROLLING.map(str::to_owned)).collect()
}

fn is_debian_suite(name: &str) -> bool {
    let base = name.split('-').next().unwrap_or(name);
    RELEASES.contains(&base) || ROLLING.contains(&base) || ALIASES.contains(&base)
}

fn joined(mut keys: Certificates, added: &Certificates) -> Certificates {
    keys.add(added.clone());
    keys
}

fn keys_of(source: &AptSource) -> Certificates {
    match &source.signed_by {
        SignedBy::Default => default_keys(),
        SignedBy::Inline(certificates) => certificates.clone(),
        SignedBy::Keyrings(paths) => read_keyrings(paths),
    }
}

/// The distribution's keyring, else everything that apt trusts.
fn default_keys() -> Certificates {
    let keys = read_keyrings(&[PathBuf::from(ARCHIVE_KEYRING)]);
    if keys.is_empty() { read_keyrings(&files_of(Path::new(TRUSTED_PARTS))) } else { keys }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_party_repositories_do_not_count_as_debian() {
        let etc = tempfile::tempdir().unwrap();
        let list = "deb https://tool.example.org/linux/debian bookworm stable\n\
                    deb https://db.example.org/apt bookworm-pgdg-tools extra\n\
                    deb http://mirror.example.org/debian bookworm main\n\
                    deb http://mirror.example.org/security bookworm-security main\n";
        fs_err::write(etc.path().join("sources.list"), list).unwrap();
        let debian = Debian::of_apt(etc.path(), &Certificates::default());
        assert_eq!(debian.archive.len(), 1);
        assert_eq!(debian.archive[0].base, "http://mirror.example.org/debian");
        assert_eq!(debian.security[0].base, "http://mirror.example.org/security");
    }

    #[test]
    fn without_a_security_line_the_updates_are_expected_next_to_the_mirror() {
        let etc = tempfile::tempdir().unwrap();
        fs_err::write(etc.path().join("sources.list"), "deb http://m.example.org/debian stable main\n")
            .unwrap();
        let debian = Debian::of_apt(etc.path(), &Certificates::default());
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
