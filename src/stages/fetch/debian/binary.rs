//! Binary packages of a suite's `main` component for amd64, with what they need to run.
//!
//! Trust runs from the archive key over the suite's `InRelease` and its `Packages` index to the
//! SHA-256 of each `.deb`.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;

use deb822_fast::Paragraph;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Debian, NAME, Refused, Repository};
use crate::base::cache_key::hex;
use crate::base::context::Context;
use crate::base::openpgp::verify::Signer;
use crate::stages::fetch::download::{self, Expected};
use crate::stages::fetch::error::{Error, Tried};
use crate::stages::fetch::http::Http;
use crate::stages::fetch::stored;

/// Libraries whose package is not named as libraries are today.
const LIBRARIES: [&str; 1] = ["zlib1g"];

/// One `.deb` of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    /// Epoch, upstream version and revision.
    pub version: String,
    /// `pool/main/g/gdb/gdb-minimal_10.1-1.7_amd64.deb`
    file: String,
    bytes: u64,
    pub sha256: String,
    /// Each with its alternatives, best first.
    depends: Vec<Vec<String>>,
}

/// A package and the libraries that it needs, as one suite has them.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The package that was asked for comes first.
    pub packages: Vec<Package>,
    /// In words.
    pub chain: String,
    /// Fingerprint of the certificate that signed the suite.
    pub signer: String,
    base: String,
}

/// `meta.json` of a `.deb` among the store's tarballs.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// With its version.
    package: String,
    url: String,
    verified_by: String,
    signer: String,
}

impl Package {
    /// The version without epoch and revision: `10.1` of `1:10.1-1.7`.
    pub fn upstream_version(&self) -> &str {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, version)| version);
        version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
    }

    fn read(paragraph: &Paragraph) -> Option<Package> {
        let field = |name: &str| paragraph.get(name).map(|value| value.trim().to_owned());
        let depends = ["Pre-Depends", "Depends"].iter().filter_map(|name| paragraph.get(name));
        let sha256 = field("SHA256")?;
        let is_sum = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sum.then_some(())?;
        Some(Package {
            name: field("Package")?,
            version: field("Version")?,
            file: field("Filename")?,
            bytes: field("Size")?.parse().ok()?,
            sha256: sha256.to_ascii_lowercase(),
            depends: depends.flat_map(relations).collect(),
        })
    }
}

/// `libc6 (>= 2.29), libtinfo5:any | libtinfo6`: the names, versions left out.
///
/// Versions need no look: within one release of a suite they fit each other.
fn relations(field: &str) -> Vec<Vec<String>> {
    let name = |alternative: &str| {
        let name = alternative.split([' ', '(', '[', ':']).find(|word| !word.is_empty())?;
        Some(name.to_owned())
    };
    let relations =
        field.split(',').map(|relation| relation.split('|').map(str::trim).filter_map(name).collect());
    relations.filter(|alternatives: &Vec<String>| !alternatives.is_empty()).collect()
}

/// Whether the package may hold shared libraries, by its name (Debian policy 8.1).
fn is_library(name: &str) -> bool {
    LIBRARIES.contains(&name) || name.starts_with("lib")
}

/// The packages that `wanted` needs of those that are libraries, or that are in `also`.
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
    /// `wanted` of the suite, and the libraries that it depends on. `also` names packages that
    /// are followed like libraries: what a transitional package stands for.
    pub fn binaries(&self, http: &Http, suite: &str, wanted: &str, also: &[&str]) -> Result<Closure, Error> {
        if !self.has_archive() {
            return Err(Error::NoMirror);
        }
        let mut tried = Vec::new();
        for repository in &self.archive {
            let reason = match repository.binaries(http, suite, wanted, also) {
                Ok(Some(closure)) => return Ok(closure),
                Ok(None) => format!("its suite {suite} has no package {wanted}"),
                Err(Refused::Interrupted) => return Err(Error::Interrupted),
                Err(Refused::Store(error)) => return Err(error),
                Err(Refused::Absent) => format!("it has no suite {suite} (404)"),
                Err(Refused::Unreachable(reason) | Refused::Failed(reason)) => reason,
            };
            tried.push(Tried { source: format!("{NAME} ({})", repository.base), reason });
        }
        Err(Error::Suite { suite: suite.to_owned(), tried })
    }
}

impl Repository {
    fn binaries(
        &self,
        http: &Http,
        name: &str,
        wanted: &str,
        also: &[&str],
    ) -> Result<Option<Closure>, Refused> {
        let (suite, signer) = self.in_release(http, name)?;
        let Some(index) = &suite.packages else {
            return Err(Refused::Failed(format!("its suite {name} lists no packages for amd64")));
        };
        let plain = self.index(http, name, &suite, index)?;
        let mut known = BTreeMap::new();
        let follows = |name: &str| name == wanted || also.contains(&name) || is_library(name);
        super::index::paragraphs(plain, follows, |paragraph| {
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
            base: repository.base.clone(),
        }
    }

    /// Of all `.deb`s together.
    pub fn bytes(&self) -> u64 {
        self.packages.iter().map(|package| package.bytes).sum()
    }

    /// The `.deb`, from the store if it is there.
    pub fn fetch(&self, cx: &Context, http: &Http, package: &Package) -> Result<Vec<u8>, Error> {
        let url = format!("{}/{}", self.base, package.file);
        let entry = match stored::find(cx, &package.sha256)? {
            Some(entry) => entry,
            None => {
                let expected = Expected { sha256: Some(&package.sha256), bytes: Some(package.bytes) };
                download::download(cx, http, &url, expected, &self.record(package, &url))?.0
            }
        };
        let path = stored::archive(entry.path());
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path);
        // One byte more than it may have would show in the checksum.
        let read = file.and_then(|file| file.take(package.bytes + 1).read_to_end(&mut bytes));
        read.map_err(|source| Error::Archive { path, source })?;
        let actual = hex(&Sha256::digest(&bytes));
        if actual != package.sha256 {
            return Err(Error::Altered { url, expected: package.sha256.clone(), actual });
        }
        Ok(bytes)
    }

    fn record(&self, package: &Package, url: &str) -> Record {
        Record {
            package: format!("{} {}", package.name, package.version),
            url: url.to_owned(),
            verified_by: self.chain.clone(),
            signer: self.signer.clone(),
        }
    }
}
