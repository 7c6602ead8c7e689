//! Binary packages of a suite's `main` component for amd64, with the libraries that they depend on.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;

use deb822_fast::Paragraph;
use fs_err as fs;
use serde::Serialize;

use super::error::{Attempt, Error, SuiteError};
use super::index::paragraphs;
use super::{Debian, NAME, Repository};
use crate::base::context::Context;
use crate::base::digest::{parse_sha256, sha256};
use crate::base::download::{self, Expected, download};
use crate::base::http::Http;
use crate::base::openpgp::verify::Signer;
use crate::base::store_archives;
use crate::base::text::without_secrets;

/// Library packages whose names predate the naming rule.
const LIBRARIES: [&str; 1] = ["zlib1g"];

/// One `.deb` of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Epoch, upstream version and revision.
    pub(crate) version: String,
    /// `pool/main/g/gdb/gdb-minimal_10.1-1.7_amd64.deb`
    file: String,
    bytes: u64,
    /// 64 lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// The names of each dependency's alternatives, the preferred one first.
    depends: Vec<Vec<String>>,
}

/// A package and the libraries that it depends on, from one suite.
#[derive(Clone, Debug)]
pub(crate) struct Closure {
    /// The requested package comes first.
    pub(crate) packages: Vec<Package>,
    /// The chain of trust, as a sentence for reports.
    pub(crate) chain: String,
    /// Fingerprint of the certificate that signed the suite.
    pub(crate) signer: String,
    repository: Repository,
}

/// `meta.json` of a `.deb` in the store.
#[derive(Debug, Serialize)]
struct Record {
    /// Name and version.
    package: String,
    url: String,
    verified_by: String,
    signer: String,
}

impl Package {
    /// The version without epoch and revision: `10.1` of `1:10.1-1.7`.
    pub(crate) fn upstream_version(&self) -> &str {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, version)| version);
        version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
    }

    fn read(paragraph: &Paragraph) -> Option<Package> {
        let field = |name: &str| paragraph.get(name).map(|value| value.trim().to_owned());
        let depends = ["Pre-Depends", "Depends"].iter().filter_map(|name| paragraph.get(name));
        Some(Package {
            name: field("Package")?,
            version: field("Version")?,
            file: field("Filename")?,
            bytes: field("Size")?.parse().ok()?,
            sha256: parse_sha256(&field("SHA256")?)?,
            depends: depends.flat_map(relations).collect(),
        })
    }
}

/// The names in `libc6 (>= 2.29), libtinfo5:any | libtinfo6`.
///
/// Versions are ignored: the packages of one suite satisfy each other.
fn relations(field: &str) -> Vec<Vec<String>> {
    let name = |alternative: &str| {
        let name = alternative.split([' ', '(', '[', ':']).find(|word| !word.is_empty())?;
        Some(name.to_owned())
    };
    let relations =
        field.split(',').map(|relation| relation.split('|').map(str::trim).filter_map(name).collect());
    relations.filter(|alternatives: &Vec<String>| !alternatives.is_empty()).collect()
}

/// Whether the package may contain shared libraries, by its name (Debian Policy, section 8.1).
fn is_library(name: &str) -> bool {
    LIBRARIES.contains(&name) || name.starts_with("lib")
}

/// `wanted` and everything in `known` that it depends on, directly or not; `None` if `wanted` is unknown.
fn closure(known: &BTreeMap<String, Package>, wanted: &str) -> Option<Vec<Package>> {
    let mut queue = VecDeque::from([known.get(wanted)?]);
    let mut closure: Vec<Package> = Vec::new();
    while let Some(package) = queue.pop_front() {
        if closure.contains(package) {
            continue;
        }
        closure.push(package.clone());
        let first = |alternatives: &Vec<String>| alternatives.iter().find_map(|name| known.get(name));
        queue.extend(package.depends.iter().filter_map(first));
    }
    Some(closure)
}

impl Debian {
    /// `wanted` of the suite, and the libraries that it depends on. Dependencies on the packages `also` are
    /// followed too: a transitional package depends on its successor.
    pub(crate) fn binaries(
        &self,
        cx: &Context,
        http: &Http,
        suite: &str,
        wanted: &str,
        also: &[&str],
    ) -> Result<Closure, Error> {
        if !self.has_archive() {
            return Err(Error::NoMirror);
        }
        let mut attempts = Vec::new();
        for repository in self.repositories(suite) {
            let reason = match repository.binaries(cx, http, suite, wanted, also) {
                Ok(Some(closure)) => return Ok(closure),
                Ok(None) => format!("its suite {suite} has no package {wanted}"),
                Err(SuiteError::Interrupted(interrupted)) => return Err(interrupted.into()),
                Err(SuiteError::Store(error)) => return Err(error.into()),
                Err(SuiteError::Absent) => format!("it has no suite {suite} (404)"),
                Err(SuiteError::Unreachable(reason) | SuiteError::Unusable(reason)) => reason,
            };
            attempts.push(Attempt { source: format!("{NAME} ({})", repository.base), reason });
        }
        Err(Error::Suite { suite: suite.to_owned(), attempts })
    }
}

impl Repository {
    fn binaries(
        &self,
        cx: &Context,
        http: &Http,
        name: &str,
        wanted: &str,
        also: &[&str],
    ) -> Result<Option<Closure>, SuiteError> {
        let (suite, signer) = self.in_release(cx, http, name)?;
        let Some(index) = &suite.packages else {
            return Err(SuiteError::Unusable(format!("its suite {name} lists no packages for amd64")));
        };
        let plain = self.index(http, name, &suite, index)?;
        let mut known = BTreeMap::new();
        let follows = |name: &str| name == wanted || also.contains(&name) || is_library(name);
        paragraphs(plain, follows, |paragraph| {
            if let Some(package) = Package::read(paragraph) {
                known.insert(package.name.clone(), package);
            }
        })
        .map_err(|error| index.unreadable(&error))?;
        Ok(closure(&known, wanted).map(|packages| Closure::new(self, name, &signer, packages)))
    }
}

impl Closure {
    fn new(repository: &Repository, suite: &str, signer: &Signer, packages: Vec<Package>) -> Closure {
        Closure {
            packages,
            chain: format!(
                "InRelease of {suite} signed by {signer}; its Packages index; the SHA-256 of each .deb in it"
            ),
            signer: signer.fingerprint.clone(),
            repository: repository.clone(),
        }
    }

    /// Size of all `.deb` files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.packages.iter().map(|package| package.bytes).sum()
    }

    /// The content of the package's `.deb`, from the store or else downloaded.
    pub(crate) fn deb(
        &self,
        cx: &Context,
        http: &Http,
        package: &Package,
    ) -> Result<Vec<u8>, download::Error> {
        let url = self.repository.address(&package.file);
        let entry = match store_archives::find(cx, &package.sha256)? {
            Some(entry) => entry,
            None => {
                let expected = Expected { sha256: Some(&package.sha256), bytes: Some(package.bytes) };
                download(cx, http, &url, expected, &self.record(package, &url))?.0
            }
        };
        let mut deb = Vec::new();
        let file = fs::File::open(store_archives::archive(entry.path()))?;
        // One byte too many changes the checksum.
        file.take(package.bytes + 1).read_to_end(&mut deb)?;
        let actual = sha256(&deb);
        if actual != package.sha256 {
            return Err(download::Error::Altered { url, expected: package.sha256.clone(), actual });
        }
        Ok(deb)
    }

    fn record(&self, package: &Package, url: &str) -> Record {
        Record {
            package: format!("{} {}", package.name, package.version),
            url: without_secrets(url).into_owned(),
            verified_by: self.chain.clone(),
            signer: self.signer.clone(),
        }
    }
}
