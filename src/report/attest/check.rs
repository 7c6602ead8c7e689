//! `kpatch-build verify`: whether a directory of packages is unchanged and its documents agree.
//!
//! The stage `verify`, which checks sources, is [`crate::stages::verify`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufReader, Read};
use std::path::Path;

use fs_err as fs;
use serde_json::Value;

use super::digests::Digests;
use super::sums::Sums;
use super::{Error, PROVENANCE, SBOM, SIGNATURE, SUMS, provenance, spdx};
use crate::base::digest::hash_file;
use crate::base::error::Failure;
use crate::base::openpgp::keyring::read_keyring;
use crate::base::openpgp::sign;
use crate::base::openpgp::verify::{Certificates, Signer};
use crate::base::stop::Stop;
use crate::report::{self, Report};

/// The result of a check. [`fmt::Display`] shows it in lines for the terminal.
#[derive(Debug, Default)]
pub struct Verification {
    /// Topic and result of each check.
    results: Vec<(&'static str, String)>,
    /// Mismatches, one sentence each.
    pub problems: Vec<String>,
}

impl Verification {
    /// Whether everything matches.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (topic, result) in &self.results {
            writeln!(f, "{topic:<10}  {result}")?;
        }
        for problem in &self.problems {
            writeln!(f, "failed: {problem}")?;
        }
        writeln!(f, "verdict: {}", if self.passed() { "pass" } else { "FAIL" })
    }
}

/// Reads the trusted OpenPGP certificates in the file `path`.
///
/// # Errors
/// The file cannot be read, or contains no certificate.
pub fn keyring(path: &Path) -> Result<Certificates, Error> {
    Ok(read_keyring(path)?)
}

/// Checks the directory `dir`: its checksums, that its documents agree, and with a keyring its
/// signatures.
///
/// # Errors
/// The directory or a file in it cannot be read, or `stop` was set. A file that does not match is a
/// problem in the result.
pub fn check(dir: &Path, keyring: Option<&Certificates>, stop: &Stop) -> Result<Verification, Error> {
    if !dir.is_dir() {
        return Err(Error::NotADirectory { path: dir.to_owned() });
    }
    let mut check = Check { dir, stop, verification: Verification::default() };
    if let Some(sums) = check.sums()? {
        check.files(&sums)?;
        check.documents(&sums)?;
    }
    check.signatures(keyring)?;
    Ok(check.verification)
}

struct Check<'a> {
    dir: &'a Path,
    stop: &'a Stop,
    verification: Verification,
}

impl Check<'_> {
    fn result(&mut self, topic: &'static str, text: impl Into<String>) {
        self.verification.results.push((topic, text.into()));
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.verification.problems.push(text.into());
    }

    /// The content of a file in the directory; `None` if it does not exist.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if_exists(fs::read(self.dir.join(name)).map_err(Error::from))
    }

    fn sums(&mut self) -> Result<Option<Sums>, Error> {
        let Some(text) = self.read(SUMS)? else {
            self.problem(format!("{SUMS} does not exist"));
            return Ok(None);
        };
        match Sums::parse(&text) {
            Ok(sums) => Ok(Some(sums)),
            Err(line) => {
                self.problem(format!("{SUMS} is malformed at line {line}"));
                Ok(None)
            }
        }
    }

    /// Checks that each file matches its checksum, and that each package has one.
    fn files(&mut self, sums: &Sums) -> Result<(), Error> {
        let mut good = 0;
        for (name, expected) in sums.iter() {
            match if_exists(hash_file::<Error>(&self.dir.join(name), self.stop))? {
                Some(found) if found == expected => good += 1,
                Some(found) => {
                    self.problem(format!("{name} was changed: its SHA-256 is {found}, not {expected}"));
                }
                None => self.problem(format!("{name} is missing")),
            }
        }
        self.result("checksums", format!("{good} of {} files match {SUMS}", sums.iter().count()));
        for name in [report::FILE, SBOM, PROVENANCE] {
            if sums.get(name).is_none() {
                self.problem(format!("{SUMS} does not list {name}"));
            }
        }
        for name in self.packages()? {
            if sums.get(&name).is_none() {
                self.problem(format!("{SUMS} does not list the package {name}"));
            }
        }
        Ok(())
    }

    /// The names of the packages that the directory contains.
    fn packages(&self) -> Result<BTreeSet<String>, Error> {
        let names =
            fs::read_dir(self.dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: BTreeSet<String> = names.collect::<io::Result<_>>()?;
        Ok(names.into_iter().filter(|name| is_package(name)).collect())
    }

    /// Checks that report, bill of materials and provenance describe the same packages.
    fn documents(&mut self, sums: &Sums) -> Result<(), Error> {
        let Some(text) = self.read(report::FILE)? else { return Ok(()) };
        let report = match Report::parse(Path::new(report::FILE), &text) {
            Ok(report) => report,
            Err(error) => {
                self.problem(Failure::new(None, &error).message());
                return Ok(());
            }
        };
        let problems_before = self.verification.problems.len();
        self.report(&report, sums);
        self.agree(SBOM, spdx::digests, &report)?;
        self.agree(PROVENANCE, provenance::digests, &report)?;
        self.request(&text)?;
        if self.verification.problems.len() == problems_before {
            let release = report.kernel.as_ref().map_or("", |kernel| &kernel.release);
            let count = report.artifacts.len();
            let documents = "report, bill of materials and provenance agree";
            self.result(
                "documents",
                format!("{documents} on {count} packages of {release}, source and patches"),
            );
        }
        self.result("boot test", report.boot.as_ref().map_or("none", |boot| boot.verdict().name()));
        Ok(())
    }

    /// Checks that the document `name` has the same digests as the report.
    fn agree(&mut self, name: &str, digests: DigestReader, report: &Report) -> Result<(), Error> {
        let Some(text) = self.read(name)? else { return Ok(()) };
        match digests(&text) {
            Ok(digests) => {
                for topic in Digests::from(report).differences(&digests) {
                    self.problem(format!("{name} and {} disagree on {topic}", report::FILE));
                }
            }
            Err(error) => self.problem(format!("cannot read {name}: {error}")),
        }
        Ok(())
    }

    /// Checks that the run of the report succeeded and left the files that the checksums list.
    fn report(&mut self, report: &Report, sums: &Sums) {
        let name = report::FILE;
        if report.error.is_some() {
            self.problem(format!("{name} is the report of a failed run"));
        }
        let recorded: BTreeMap<String, &str> =
            report.artifacts.iter().map(|artifact| (artifact.file(), artifact.sha256.as_str())).collect();
        let summed: BTreeMap<String, &str> = sums
            .iter()
            .filter(|(name, _)| is_package(name))
            .map(|(name, sum)| (name.to_owned(), sum))
            .collect();
        if recorded != summed {
            self.problem(format!("{name} and {SUMS} disagree on the packages"));
        }
        for artifact in &report.artifacts {
            let file = artifact.file();
            let bytes = self.dir.join(&file).metadata().ok().map(|meta| meta.len());
            if let Some(bytes) = bytes.filter(|bytes| *bytes != artifact.bytes) {
                self.problem(format!("{file} has {bytes} bytes, and {} in {name}", artifact.bytes));
            }
        }
        for document in &report.evidence {
            let file = file_name(&document.path);
            let agrees = match &document.sha256 {
                Some(sha256) => sums.get(&file) == Some(sha256),
                None => self.dir.join(&file).exists(),
            };
            if !agrees {
                self.problem(format!("{name} lists {file}, which is missing or was changed"));
            }
        }
    }

    /// Checks that report and provenance record the same request, including fields that this version does not know.
    fn request(&mut self, report: &[u8]) -> Result<(), Error> {
        let Some(provenance) = self.read(PROVENANCE)? else { return Ok(()) };
        let value = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
        let (provenance, report) = (value(&provenance), value(report));
        if provenance.pointer("/predicate/buildDefinition/externalParameters") != report.get("request") {
            self.problem(format!("{PROVENANCE} and {} disagree on the request", report::FILE));
        }
        Ok(())
    }

    fn signatures(&mut self, keyring: Option<&Certificates>) -> Result<(), Error> {
        let (mut signed, mut signers) = (Vec::new(), BTreeSet::new());
        for name in [SUMS, SBOM, PROVENANCE] {
            let Some(signature) = self.read(&format!("{name}{SIGNATURE}"))? else { continue };
            signed.push(name);
            let Some(keyring) = keyring else { continue };
            match check_signature(keyring, &signature, &self.dir.join(name)) {
                Ok(signer) => drop(signers.insert(signer.to_string())),
                Err(reason) => self.problem(format!("{name}{SIGNATURE}: {reason}")),
            }
        }
        let names = signed.join(", ");
        match keyring {
            Some(_) if !signed.contains(&SUMS) => self.problem(format!("{SUMS} is not signed")),
            Some(_) if signers.is_empty() => {}
            Some(_) => {
                let signers: Vec<_> = signers.into_iter().collect();
                self.result("signatures", format!("{names} signed by {}", signers.join(" and ")));
            }
            None if signed.is_empty() => self.result("signatures", "none"),
            None => self.result("signatures", format!("NOT CHECKED without --keyring: {names}")),
        }
        Ok(())
    }
}

/// Reads the digests of one kind of document.
type DigestReader = fn(&[u8]) -> serde_json::Result<Digests>;

/// Turns the error of a missing file into `None`.
fn if_exists<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn check_signature(keyring: &Certificates, signature: &[u8], data: &Path) -> Result<Signer, String> {
    let open = || Ok(Box::new(BufReader::new(std::fs::File::open(data)?)) as Box<dyn Read>);
    if !sign::is_whole(signature) {
        return Err("the signature is damaged".to_owned());
    }
    keyring.check_detached(signature, open).map_err(|error| error.to_string())
}

fn is_package(name: &str) -> bool {
    name.ends_with(".deb") || name.ends_with(".rpm")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
