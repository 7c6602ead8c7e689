//! Keys, archives, mirrors and a store for one test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kpatch_build::base::context::Context;
use kpatch_build::base::digest::{self, hex};
use kpatch_build::base::error::Explain;
use kpatch_build::base::events::Events;
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::Store;
use kpatch_build::stages::fetch::pins::{Pin, Pins};
use kpatch_build::stages::fetch::{self, SourceRequest, SourceSpec};
use kpatch_build::stages::unpack::{self, SourceTree, TreeCheck};
use kpatch_build::stages::verify::{self, VerifiedSource};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Password};
use sha2::{Digest, Sha256};

use super::server::Server;
use crate::support::events::Seen;

/// A key generated for one test.
pub struct Signer(pub SignedSecretKey);

impl Signer {
    pub fn new(name: &str) -> Signer {
        Signer::of_type(name, KeyType::Ed25519Legacy)
    }

    pub fn of_type(name: &str, kind: KeyType) -> Signer {
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id(format!("{name} <{name}@example.org>"));
        Signer(params.build().unwrap().generate(rand::thread_rng()).unwrap())
    }

    pub fn fingerprint(&self) -> String {
        hex(self.0.primary_key.fingerprint().as_bytes()).to_uppercase()
    }

    pub fn certificate(&self) -> Vec<u8> {
        self.0.to_public_key().to_bytes().unwrap()
    }

    pub fn clearsign(&self, text: &str) -> String {
        let message =
            CleartextSignedMessage::sign(rand::thread_rng(), text, &self.0.primary_key, &Password::empty());
        message.unwrap().to_armored_string(ArmorOptions::default()).unwrap()
    }

    pub fn sign(&self, data: &[u8], hash: HashAlgorithm) -> String {
        let key = &self.0.primary_key;
        let signature =
            DetachedSignature::sign_binary_data(rand::thread_rng(), key, &Password::empty(), hash, data);
        signature.unwrap().to_armored_string(ArmorOptions::default()).unwrap()
    }
}

/// A server, a store, and the two signers that the test trusts.
pub struct World {
    pub dir: tempfile::TempDir,
    pub server: Server,
    pub cx: Context,
    /// Signs releases and tags.
    pub releaser: Signer,
    /// Signs checksum lists and Debian's suites.
    pub archive: Signer,
    seen: Seen,
}

impl World {
    pub fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let seen = Seen::default();
        let cx = Context {
            store: Store::open(&dir.path().join("store")).unwrap(),
            events: Events::new(seen.clone()),
            stop: Stop::default(),
            offline: false,
            logs: dir.path().join("logs"),
        };
        let (releaser, archive) = (Signer::new("releaser"), Signer::new("archive"));
        World { dir, server: Server::start(), cx, releaser, archive, seen }
    }

    pub fn notes(&self) -> String {
        self.seen.notes().join("\n")
    }

    /// Returns a request that can reach only the test's server, with the keys in a keyring file.
    pub fn request(&self, release: &str, source: &str) -> SourceRequest {
        let keyring = self.path("keyring.gpg");
        let keys = [self.releaser.certificate(), self.archive.certificate()].concat();
        std::fs::write(&keyring, keys).unwrap();
        SourceRequest {
            release: release.parse().unwrap(),
            source: source.parse::<SourceSpec>().unwrap(),
            no_verify: false,
            keyring: Some(keyring),
            kernel_org: vec![self.server.url.clone()],
            debian_mirror: Some(format!("{}/debian", self.server.url)),
            accept_stale_index: false,
            outputs: Vec::new(),
            pins: self.pins(),
        }
    }

    pub fn pins(&self) -> Pins {
        let pin = |signer: &Signer, name: &str| Pin {
            fingerprint: signer.fingerprint(),
            address: format!("{name}@example.org"),
        };
        Pins {
            releases: vec![pin(&self.releaser, "releaser")],
            checksums: vec![pin(&self.archive, "archive")],
            tarballs: Vec::new(),
            key_directories: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Publishes a release on kernel.org: the archive and its signature.
    pub fn publish(&self, release: &str, archive: &[u8]) {
        let base = format!("/pub/linux/kernel/v6.x/linux-{release}.tar");
        self.server.put(&format!("{base}.xz"), xz(archive));
        self.server.put(&format!("{base}.sign"), self.releaser.sign(archive, HashAlgorithm::Sha256));
    }

    /// Publishes kernel.org's signed list of archives.
    pub fn publish_list(&self, files: &[(&str, &[u8])]) {
        let lines: Vec<_> = files
            .iter()
            .map(|(release, file)| format!("{}  linux-{release}.tar.xz\n", sha256(file)))
            .collect();
        let list = self.archive.clearsign(&lines.concat());
        self.server.put("/pub/linux/kernel/v6.x/sha256sums.asc", list);
    }

    /// Publishes a Debian suite whose index lists these upstream archives.
    pub fn publish_suite(&self, suite: &str, files: &[(&str, &[u8])]) {
        self.publish_suite_as(
            suite,
            files,
            &self.archive,
            suite,
            "Valid-Until: Sat, 01 Jan 2050 00:00:00 UTC",
        );
    }

    pub fn publish_suite_as(
        &self,
        suite: &str,
        files: &[(&str, &[u8])],
        signer: &Signer,
        codename: &str,
        dates: &str,
    ) {
        let root = if suite.ends_with("-security") { "/debian-security" } else { "/debian" };
        let paragraphs: Vec<_> = files
            .iter()
            .map(|(release, file)| {
                let name = format!("linux_{release}.orig.tar.xz");
                let (sum, bytes) = (sha256(file), file.len());
                self.server.put(&format!("{root}/pool/main/l/linux/{name}"), *file);
                format!(
                    "Package: linux\nVersion: {release}-1\nDirectory: pool/main/l/linux\n\
                     Checksums-Sha256:\n {sum} {bytes} {name}\n\n"
                )
            })
            .collect();
        let index = xz(paragraphs.concat().as_bytes());
        let (sum, bytes) = (sha256(&index), index.len());
        let release = format!(
            "Origin: Debian\nSuite: {codename}\nCodename: {codename}\n{dates}\n\
             SHA256:\n {sum} {bytes} main/source/Sources.xz\n"
        );
        self.server.put(&format!("{root}/dists/{suite}/main/source/Sources.xz"), index);
        self.server.put(&format!("{root}/dists/{suite}/InRelease"), signer.clearsign(&release));
    }

    /// Fetches and verifies.
    pub fn obtain(&self, request: &SourceRequest) -> Result<VerifiedSource, Failure> {
        let (_, offers) = fetch::offers(&self.cx, request).map_err(Failure::Fetch)?;
        let fetched = fetch::fetch(&self.cx, &offers).map_err(Failure::Fetch)?;
        verify::verify(&self.cx, fetched).map_err(Failure::Verify)
    }

    /// Fetches, verifies and unpacks.
    pub fn tree(&self, request: &SourceRequest) -> Result<SourceTree, Failure> {
        unpack::unpack(&self.cx, &self.obtain(request)?, TreeCheck::Contents).map_err(Failure::Unpack)
    }

    /// Returns the names of the entries of a bucket in the store, including incomplete ones.
    pub fn bucket(&self, name: &str) -> Vec<String> {
        let read = std::fs::read_dir(self.cx.store.root().join(name)).unwrap();
        read.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

/// The error of the stage that failed.
#[derive(Debug)]
pub enum Failure {
    Fetch(fetch::Error),
    Verify(verify::Error),
    Unpack(unpack::Error),
}

impl Failure {
    pub fn exit(&self) -> u8 {
        match self {
            Failure::Fetch(error) => error.exit() as u8,
            Failure::Verify(error) => error.exit() as u8,
            Failure::Unpack(error) => error.exit() as u8,
        }
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    digest::sha256(bytes)
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    liblzma::encode_all(bytes, 1).unwrap()
}

pub fn makefile(release: &str) -> String {
    let mut numbers = release.split('.').chain(["0"]);
    let mut next = || numbers.next().unwrap();
    format!("VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\nEXTRAVERSION =\n", next(), next(), next())
}

/// A minimal source archive.
pub fn kernel(release: &str) -> Vec<u8> {
    let mut tar = Tar::new();
    let top = format!("linux-{release}");
    tar.directory(&format!("{top}/"), 0o755);
    tar.file(&format!("{top}/Makefile"), 0o664, makefile(release).as_bytes());
    tar.file(&format!("{top}/scripts/run.sh"), 0o775, b"#!/bin/sh\n");
    tar.link(&format!("{top}/scripts/here"), "../Makefile", tar::EntryType::Symlink);
    tar.file(&format!("{top}/noise"), 0o644, noise());
    tar.finish()
}

/// Incompressible data, large enough to interrupt its transfer.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| (0..6_250u32).flat_map(|number| Sha256::digest(number.to_be_bytes())).collect())
}

/// Modification time of every entry, in seconds since the epoch.
pub const RELEASED_AT: u64 = 1_600_000_000;

/// Writes entries that the tar crate's own writer refuses.
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn new() -> Tar {
        Tar(Vec::new())
    }

    pub fn entry(&mut self, name: &str, mode: u32, kind: tar::EntryType, target: &str, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        {
            let old = header.as_old_mut();
            old.name[..name.len()].copy_from_slice(name.as_bytes());
            old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_mode(mode);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mtime(RELEASED_AT);
        header.set_cksum();
        self.0.write_all(header.as_bytes()).unwrap();
        self.0.write_all(content).unwrap();
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    pub fn directory(&mut self, name: &str, mode: u32) {
        self.entry(name, mode, tar::EntryType::Directory, "", b"");
    }

    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, mode, tar::EntryType::Regular, "", content);
    }

    pub fn link(&mut self, name: &str, target: &str, kind: tar::EntryType) {
        self.entry(name, 0o777, kind, target, b"");
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}
