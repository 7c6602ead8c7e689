//! `kpatch-build verify`: whether a folder of packages is what its makers left.
//!
//! The stage of that name, which checks sources, is [`crate::stages::verify`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::sums::Sums;
use super::{Error, PROVENANCE, SBOM, SIGNATURE, SUMS, told};
use crate::base::cache_key::hex;
use crate::base::error::Failure;
use crate::base::openpgp::sign as signing;
use crate::base::openpgp::verify::{Certificates, Signer};
use crate::base::stop::Stop;
use crate::report::{self, Recorded};

/// What the check of a folder came to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Topic and sentence, for people.
    seen: Vec<(&'static str, String)>,
    /// What does not fit, one sentence each.
    pub problems: Vec<String>,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (topic, text) in &self.seen {
            writeln!(f, "{topic:<10}  {text}")?;
        }
        for problem in &self.problems {
            writeln!(f, "failed: {problem}")?;
        }
        writeln!(f, "verdict: {}", if self.passed() { "pass" } else { "FAIL" })
    }
}

/// The certificates in a file, of those who may sign.
pub fn keyring(path: &Path) -> Result<Certificates, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let certificates = Certificates::parse(&bytes);
    match certificates.is_empty() {
        true => Err(Error::EmptyKeyring { path: path.to_owned() }),
        false => Ok(certificates),
    }
}

/// Checks sums, that all documents say the same, and with a keyring the signatures.
///
/// `Err` is a folder that cannot be looked at; what does not fit is in the verdict.
pub fn check(dir: &Path, keyring: Option<&Certificates>, stop: &Stop) -> Result<Verdict, Error> {
    if !dir.is_dir() {
        return Err(Error::NotAFolder { path: dir.to_owned() });
    }
    let mut check = Check { dir, stop, verdict: Verdict::default() };
    if let Some(sums) = check.sums()? {
        check.files(&sums)?;
        check.documents(&sums)?;
    }
    check.signatures(keyring)?;
    Ok(check.verdict)
}

struct Check<'a> {
    dir: &'a Path,
    stop: &'a Stop,
    verdict: Verdict,
}

impl Check<'_> {
    fn saw(&mut self, topic: &'static str, text: impl Into<String>) {
        self.verdict.seen.push((topic, text.into()));
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.verdict.problems.push(text.into());
    }

    /// A file of the folder, whole; `None` where it is missing.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.dir.join(name);
        match fs::read(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    fn sums(&mut self) -> Result<Option<Sums>, Error> {
        let Some(text) = self.read(SUMS)? else {
            self.problem(format!("there is no {SUMS}"));
            return Ok(None);
        };
        match Sums::parse(&text) {
            Ok(sums) => Ok(Some(sums)),
            Err(line) => {
                self.problem(format!("{SUMS} is not as it was written: line {line}"));
                Ok(None)
            }
        }
    }

    /// Each file has its sum, and each package is named.
    fn files(&mut self, sums: &Sums) -> Result<(), Error> {
        let mut good = 0;
        for (name, expected) in sums.iter() {
            match self.hash(name)? {
                Some(found) if found == expected => good += 1,
                Some(found) => {
                    self.problem(format!("{name} was changed: its SHA-256 is {found}, not {expected}"))
                }
                None => self.problem(format!("{name} is missing")),
            }
        }
        self.saw("checksums", format!("{good} of {} files match {SUMS}", sums.iter().count()));
        for name in [report::FILE, SBOM, PROVENANCE] {
            if sums.get(name).is_none() {
                self.problem(format!("{SUMS} does not name {name}"));
            }
        }
        for name in self.packages_there()? {
            if sums.get(&name).is_none() {
                self.problem(format!("{name} is a package that {SUMS} does not name"));
            }
        }
        Ok(())
    }

    fn packages_there(&self) -> Result<BTreeSet<String>, Error> {
        let read = |source| Error::Read { path: self.dir.to_owned(), source };
        let names = fs::read_dir(self.dir).map_err(read)?;
        let names = names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: BTreeSet<String> = names.collect::<io::Result<_>>().map_err(read)?;
        Ok(names.into_iter().filter(|name| is_package(name)).collect())
    }

    fn hash(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.dir.join(name);
        let failed = |source| Error::Read { path: path.clone(), source };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            if self.stop.is_set() {
                return Err(Error::Interrupted);
            }
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(Some(hex(&hasher.finalize()))),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// Report, bill of materials and provenance are of the same packages.
    fn documents(&mut self, sums: &Sums) -> Result<(), Error> {
        let Some(text) = self.read(report::FILE)? else { return Ok(()) };
        let recorded = match Recorded::parse(Path::new(report::FILE), &text) {
            Ok(recorded) => recorded,
            Err(error) => {
                self.problem(Failure::new(None, &error).message());
                return Ok(());
            }
        };
        let before = self.verdict.problems.len();
        self.report(&recorded, sums);
        self.agree(SBOM, told::by_sbom, &recorded)?;
        self.agree(PROVENANCE, told::by_provenance, &recorded)?;
        self.request(&text)?;
        if self.verdict.problems.len() == before {
            let release = recorded.kernel.as_ref().map_or("", |kernel| &kernel.release);
            let count = recorded.artifacts.len();
            let what = "report, bill of materials and provenance name the same";
            self.saw("documents", format!("{what} {count} packages of {release}, source and patches"));
        }
        self.saw("boot test", recorded.verdict().unwrap_or("none").to_owned());
        Ok(())
    }

    /// The document `name` says what the report says.
    fn agree(&mut self, name: &str, reader: told::Reader, recorded: &Recorded) -> Result<(), Error> {
        let Some(text) = self.read(name)? else { return Ok(()) };
        match reader(&text) {
            Ok(told) => {
                for topic in told::by_report(recorded).differences(&told) {
                    self.problem(format!("{name} and {} do not agree: {topic}", report::FILE));
                }
            }
            Err(error) => self.problem(format!("{name} cannot be read: {error}")),
        }
        Ok(())
    }

    /// The report's own run came to its end, and left what the sums name.
    fn report(&mut self, recorded: &Recorded, sums: &Sums) {
        let name = report::FILE;
        if recorded.error.is_some() {
            self.problem(format!("{name} is of a run that failed"));
        }
        let told: BTreeMap<String, &str> =
            recorded.artifacts.iter().map(|it| (it.file(), it.sha256.as_str())).collect();
        let summed: BTreeMap<String, &str> = sums
            .iter()
            .filter(|(name, _)| is_package(name))
            .map(|(name, sum)| (name.to_owned(), sum))
            .collect();
        if told != summed {
            self.problem(format!("{name} and {SUMS} do not agree: the packages"));
        }
        for artifact in &recorded.artifacts {
            let file = artifact.file();
            let bytes = self.dir.join(&file).metadata().ok().map(|meta| meta.len());
            if bytes.is_some_and(|bytes| bytes != artifact.bytes) {
                self.problem(format!("{name} and {file} do not agree: {} bytes", artifact.bytes));
            }
        }
        for document in &recorded.evidence {
            let file = file_name(&document.path);
            let agrees = match &document.sha256 {
                Some(sha256) => sums.get(&file) == Some(sha256),
                None => self.dir.join(&file).exists(),
            };
            if !agrees {
                self.problem(format!("{name} names {file}, which is not there or another one"));
            }
        }
    }

    /// What was asked for is told twice.
    fn request(&mut self, report: &[u8]) -> Result<(), Error> {
        let Some(provenance) = self.read(PROVENANCE)? else { return Ok(()) };
        let value = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
        let (provenance, report) = (value(&provenance), value(report));
        if provenance.pointer("/predicate/buildDefinition/externalParameters") != report.get("request") {
            self.problem(format!("{PROVENANCE} and {} do not agree: the request", report::FILE));
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
                Err(why) => self.problem(format!("{name}{SIGNATURE}: {why}")),
            }
        }
        let names = signed.join(", ");
        match keyring {
            Some(_) if !signed.contains(&SUMS) => self.problem(format!("{SUMS} is not signed")),
            Some(_) if signers.is_empty() => {}
            Some(_) => {
                let signers: Vec<_> = signers.into_iter().collect();
                self.saw("signatures", format!("of {names} by {}", signers.join(" and ")));
            }
            None if signed.is_empty() => self.saw("signatures", "none: nobody vouches for this folder"),
            None => self.saw("signatures", format!("of {names} NOT CHECKED: no --keyring was given")),
        }
        Ok(())
    }
}

fn check_signature(keyring: &Certificates, signature: &[u8], data: &Path) -> Result<Signer, String> {
    let open = || Ok(Box::new(BufReader::new(File::open(data)?)) as Box<dyn Read>);
    if !signing::is_whole(signature) {
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
