//! A signing key, packages, and a repository with them.

pub mod server;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use deb822_fast::{Deb822, Paragraph};
use kpatch_build::base::archive::decompress::decompress;
use kpatch_build::base::digest::hex;
use kpatch_build::base::openpgp::sign::SigningKey;
use kpatch_build::base::openpgp::verify::Certificates;
use kpatch_build::base::options::Format;
use kpatch_build::base::stop::Stop;
use kpatch_build::repo::{self, Error, PublishRequest, Published};
use kpatch_build::stages::package::write;
use pgp::composed::{KeyType, SecretKeyParamsBuilder};
use sha2::{Digest, Sha256};

use crate::support::fixtures::fake_kernel::Machine;

/// Date of every repository unless a test sets another one: later than the keys that the tests generate, and not so far
/// ahead that its signatures are refused.
pub fn date() -> i64 {
    static DATE: OnceLock<i64> = OnceLock::new();
    *DATE.get_or_init(|| jiff::Timestamp::now().as_second() + 3600)
}

/// A secret key in a file.
pub struct Key {
    dir: tempfile::TempDir,
}

impl Key {
    pub fn new() -> Key {
        Key::of_type(KeyType::Ed25519Legacy)
    }

    pub fn of_type(kind: KeyType) -> Key {
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("Test <test@example.org>".into());
        let key = params.build().unwrap().generate(rand::thread_rng()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let armoured = key.to_armored_string(Default::default()).unwrap();
        fs::write(dir.path().join("secret.asc"), armoured).unwrap();
        Key { dir }
    }

    /// Creates a key as a user does; `algorithm` is `rsa3072` or `ed25519`, for example.
    pub fn of_gpg(algorithm: &str) -> Key {
        let dir = tempfile::tempdir().unwrap();
        let gpg = |arguments: &[&str]| {
            let mut command = Command::new("gpg");
            command.arg("--homedir").arg(dir.path()).args(["--batch", "--passphrase", "", "--pinentry-mode"]);
            let output = command.arg("loopback").args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        gpg(&["--quick-generate-key", "Test <test@example.org>", algorithm, "sign", "never"]);
        let secret = gpg(&["--export-secret-keys", "--armor"]);
        fs::write(dir.path().join("secret.asc"), secret).unwrap();
        let _ = Command::new("gpgconf").arg("--homedir").arg(dir.path()).args(["--kill", "all"]).status();
        Key { dir }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("secret.asc")
    }

    pub fn load(&self) -> SigningKey {
        SigningKey::load(&self.path()).unwrap()
    }

    fn certificates(&self) -> Certificates {
        Certificates::parse(self.load().certificate().as_bytes())
    }
}

/// A directory with packages, a directory for the repository, and a key.
pub struct Fixture {
    pub machine: Machine,
    pub key: Key,
    pub dir: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture { machine: Machine::new(), key: Key::new(), dir: tempfile::tempdir().unwrap() }
    }

    pub fn packages(&self) -> PathBuf {
        self.machine.out()
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// Packages a kernel without modules.
    pub fn add(&self, release: &str, revision: u32, formats: &[Format]) -> Vec<PathBuf> {
        let machine = Machine::new();
        let kernel = machine.kernel(release, |_| {});
        let mut request = machine.request();
        (request.revision, request.formats, request.out) = (revision, formats.to_vec(), self.packages());
        let packages = write(&machine.context, &request, &kernel).unwrap();
        packages.into_iter().map(|package| package.path).collect()
    }

    /// Removes every package.
    pub fn clear(&self) {
        for file in self.packages().read_dir().unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }

    pub fn request(&self) -> PublishRequest {
        PublishRequest {
            dir: self.packages(),
            out: self.out(),
            key: self.key.load(),
            address: "http://127.0.0.1:1".into(),
            keep: 3,
            date: date(),
        }
    }

    pub fn publish(&self) -> Result<Vec<Published>, Error> {
        repo::publish(&self.request(), &Stop::default())
    }

    pub fn publish_with(&self, change: impl FnOnce(&mut PublishRequest)) -> Result<Vec<Published>, Error> {
        let mut request = self.request();
        change(&mut request);
        repo::publish(&request, &Stop::default())
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.out().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.read(path)).unwrap()
    }

    /// Returns the packages of the apt repository after checking, as a client does, that every listed file
    /// exists and matches its size and checksum.
    pub fn apt(&self) -> Vec<Paragraph> {
        let suite = "apt/dists/kpatch-build";
        let certificates = self.key.certificates();
        let (text, _) = certificates.check_clearsigned(&self.read(&format!("{suite}/InRelease"))).unwrap();
        let release = self.read(&format!("{suite}/Release"));
        // The signature does not cover the last line ending (RFC 9580, section 7.2).
        assert_eq!(text.trim_end_matches('\n'), String::from_utf8_lossy(&release).trim_end_matches('\n'));
        self.check_signature(&certificates, &format!("{suite}/Release.gpg"), release);
        let fields: Paragraph = text.parse().unwrap();
        assert_eq!(fields.get("Acquire-By-Hash"), Some("yes"));
        let mut packages = Vec::new();
        for line in fields.get("SHA256").unwrap().lines().filter(|line| !line.is_empty()) {
            let [sha256, bytes, path] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let content = self.read(&format!("{suite}/{path}"));
            assert_eq!(
                (content.len().to_string().as_str(), sha(&content).as_str()),
                (bytes, sha256),
                "{path}"
            );
            let (dir, name) = path.rsplit_once('/').unwrap();
            assert!(self.read(&format!("{suite}/{dir}/by-hash/SHA256/{sha256}")) == content, "{path}");
            if name == "Packages" {
                packages.extend(String::from_utf8(content).unwrap().parse::<Deb822>().unwrap());
            } else {
                let plain = self.text(&format!("{suite}/{dir}/Packages"));
                assert_eq!(unpacked(content), plain, "{path}");
            }
        }
        for package in &packages {
            let content = self.read(&format!("apt/{}", package.get("Filename").unwrap()));
            assert_eq!(package.get("Size"), Some(content.len().to_string().as_str()));
            assert_eq!(package.get("SHA256"), Some(sha(&content).as_str()));
        }
        packages
    }

    /// [`Fixture::apt`] for the dnf repository.
    pub fn dnf(&self) -> BTreeMap<String, rpmrepo_metadata::Package> {
        let repomd = self.read("rpm/repodata/repomd.xml");
        self.check_signature(&self.key.certificates(), "rpm/repodata/repomd.xml.asc", repomd);
        let repository = rpmrepo_metadata::Repository::load_from_directory(&self.out().join("rpm")).unwrap();
        assert_eq!(repository.repomd().records().len(), 3);
        for record in repository.repomd().records() {
            let content = self.read(&format!("rpm/{}", record.location_href.display()));
            assert_eq!(record.size, Some(content.len() as u64));
            let (_, sha256) = record.checksum.to_values().unwrap();
            assert_eq!(sha(&content), sha256);
            assert!(record.location_href.to_str().unwrap().contains(sha256));
            let plain = unpacked(content);
            assert_eq!(record.open_size, Some(plain.len() as u64));
            assert_eq!(record.open_checksum.as_ref().unwrap().to_values().unwrap().1, sha(plain.as_bytes()));
        }
        for package in repository.packages().values() {
            let content = self.read(&format!("rpm/{}", package.location_href()));
            assert_eq!(package.size_package(), content.len() as u64);
            assert_eq!(package.checksum().to_values().unwrap().1, sha(&content));
            rpm::Package::parse(&mut &content[..]).unwrap().verify_digests().unwrap();
        }
        repository.packages().values().map(|package| (package.name().to_owned(), package.clone())).collect()
    }

    fn check_signature(&self, certificates: &Certificates, path: &str, signed: Vec<u8>) {
        let open = || Ok(Box::new(std::io::Cursor::new(signed.clone())) as Box<dyn Read>);
        certificates.check_detached(&self.read(path), open).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Names and versions of the packages in the apt repository.
    pub fn debs(&self) -> Vec<String> {
        let name = |package: &Paragraph| {
            format!("{} {}", package.get("Package").unwrap(), package.get("Version").unwrap())
        };
        self.apt().iter().map(name).collect()
    }
}

pub fn sha(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub fn unpacked(content: Vec<u8>) -> String {
    let mut text = String::new();
    decompress(std::io::Cursor::new(content)).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Every file below `root` with its content, by relative path; symbolic links with their target.
pub fn snapshot(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(dir: &Path, root: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in dir.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if path.is_symlink() {
                all.insert(name, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
            } else if path.is_dir() {
                add(&path, root, all);
            } else {
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    add(root, root, &mut all);
    all
}
