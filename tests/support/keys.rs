//! Keys with certificates, generated for a test.

use std::fs;
use std::path::{Path, PathBuf};

use kpatch_build::base::x509::{Signer, SignerFiles};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::{X509, X509Name};

/// A 2048-bit RSA key and its self-signed certificate, in files.
pub struct Keys {
    dir: PathBuf,
    /// Removes the directory, unless the caller owns it.
    _dir: Option<tempfile::TempDir>,
    /// PEM.
    pub key: PathBuf,
    /// PEM.
    pub cert: PathBuf,
}

impl Keys {
    pub fn new(name: &str) -> Keys {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::kept_in(dir.path(), name);
        Keys { _dir: Some(dir), ..keys }
    }

    /// Returns the keys in `dir`, which outlive the test; generates them if there are none.
    pub fn kept_in(dir: &Path, name: &str) -> Keys {
        let keys =
            Keys { key: dir.join("key.pem"), cert: dir.join("cert.pem"), dir: dir.to_owned(), _dir: None };
        if !keys.cert.exists() {
            fs::create_dir_all(dir).unwrap();
            let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
            fs::write(&keys.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
            fs::write(&keys.cert, certificate(&key, name).to_pem().unwrap()).unwrap();
        }
        keys
    }

    pub fn signer(&self) -> Signer {
        Signer::load(&self.key, &self.cert).unwrap()
    }

    pub fn files(&self) -> SignerFiles {
        SignerFiles::check(&self.key, &self.cert).unwrap()
    }

    pub fn certificate(&self) -> X509 {
        X509::from_pem(&fs::read(&self.cert).unwrap()).unwrap()
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> Vec<u8> {
        self.certificate().digest(MessageDigest::sha256()).unwrap().to_vec()
    }

    /// The certificate as DER.
    pub fn der(&self) -> PathBuf {
        self.put("cert.der", self.certificate().to_der().unwrap())
    }

    /// Writes key and certificate to one file.
    pub fn together(&self) -> PathBuf {
        self.put("both.pem", [fs::read(&self.cert).unwrap(), fs::read(&self.key).unwrap()].concat())
    }

    pub fn encrypted(&self) -> PathBuf {
        let key = PKey::private_key_from_pem(&fs::read(&self.key).unwrap()).unwrap();
        let text = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret");
        self.put("encrypted.pem", text.unwrap())
    }

    pub fn rsa_of_1024_bits(&self) -> PathBuf {
        self.put("short.pem", Rsa::generate(1024).unwrap().private_key_to_pem().unwrap())
    }

    pub fn elliptic(&self) -> PathBuf {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        self.put("elliptic.pem", EcKey::generate(&group).unwrap().private_key_to_pem().unwrap())
    }

    fn put(&self, name: &str, content: Vec<u8>) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Returns a self-signed certificate, valid for ten years, as `openssl req -x509` creates it.
fn certificate(key: &PKey<Private>, name: &str) -> X509 {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let serial = BigNum::from_u32(name.len() as u32).unwrap().to_asn1_integer().unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(3650).unwrap()).unwrap();
    let identifier = openssl::x509::extension::SubjectKeyIdentifier::new();
    let extension = identifier.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(extension).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}
