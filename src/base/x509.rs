//! The user's key and certificate.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use cms::cert::x509::Certificate;
use cms::cert::x509::der::{Decode, Encode};
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::X509;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::cache_key::hex;
use crate::base::error::{Exit, Explain};

/// What `--secure-boot-key` and `--secure-boot-cert` name cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has no private key in PEM form", path.display())]
    NoKey { path: PathBuf, source: ErrorStack },
    #[error("the private key in {} is encrypted", path.display())]
    Encrypted { path: PathBuf },
    #[error("{} is not an X.509 certificate in PEM or DER form", path.display())]
    NoCertificate { path: PathBuf, source: ErrorStack },
    #[error("the certificate in {} is not valid DER", path.display())]
    Malformed { path: PathBuf, source: cms::cert::x509::der::Error },
    #[error("the private key in {} is not the one of the certificate in {}", key.display(), certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error("the private key in {} is {found}: firmware verifies RSA of at least {SMALLEST} bits", path.display())]
    NotUsable { path: PathBuf, found: String },
}

/// Bits: what UEFI demands of every firmware is RSA of 2048 (UEFI 2.10, section 32.4.1).
const SMALLEST: u32 = 2048;

impl Explain for KeyError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        match self {
            KeyError::Encrypted { path } => {
                Some(format!("decrypt it where only you can read it: openssl pkey -in {} -out KEY", path.display()))
            }
            KeyError::NoKey { .. } | KeyError::NotUsable { .. } => Some(
                "make one: openssl req -new -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=NAME/ -keyout KEY -out CERT"
                    .to_owned(),
            ),
            KeyError::Mismatch { .. } => {
                Some("name the key and the certificate that were made together".to_owned())
            }
            _ => None,
        }
    }
}

/// A private key with its certificate. Signs the same bytes always the same way: RSA with PKCS #1 v1.5
/// takes no random number.
#[derive(Clone)]
pub struct Signer {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: Certificate,
    /// The certificate as kbuild reads it.
    pem: String,
    identity: Identity,
}

/// Who signed, as the report tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As RFC 4514 writes it: `CN=My kernels`.
    pub subject: String,
    /// Of the certificate in DER form, in hexadecimal: `openssl x509 -fingerprint -sha256`.
    pub sha256: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, SHA-256 {}", self.subject, self.sha256)
    }
}

impl fmt::Debug for Signer {
    /// Nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

impl Signer {
    /// Reads a private key (PEM) and its certificate (PEM or DER); both may stand in one file.
    pub fn load(key: &Path, certificate: &Path) -> Result<Signer, KeyError> {
        let (key_path, path) = (key, certificate);
        let key = private_key(key_path)?;
        let text = read(path)?;
        let parsed = X509::from_pem(&text).or_else(|_| X509::from_der(&text));
        let x509 = parsed.map_err(|source| KeyError::NoCertificate { path: path.to_owned(), source })?;
        let openssl = |source| KeyError::NoCertificate { path: path.to_owned(), source };
        if !x509.public_key().map_err(openssl)?.public_eq(&key) {
            return Err(KeyError::Mismatch { key: key_path.to_owned(), certificate: path.to_owned() });
        }
        let der = x509.to_der().map_err(openssl)?;
        let malformed = |source| KeyError::Malformed { path: path.to_owned(), source };
        let certificate = Certificate::from_der(&der).map_err(malformed)?;
        // Verifiers compare the issuer's name and the certificate byte by byte.
        if certificate.to_der().map_err(malformed)? != der {
            return Err(malformed(
                cms::cert::x509::der::ErrorKind::Noncanonical { tag: cms::cert::x509::der::Tag::Sequence }
                    .into(),
            ));
        }
        let identity = Identity {
            subject: certificate.tbs_certificate.subject.to_string(),
            sha256: hex(&Sha256::digest(&der)),
        };
        let pem = String::from_utf8_lossy(&x509.to_pem().map_err(openssl)?).into_owned();
        Ok(Signer { key, certificate, pem, identity })
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }
}

fn private_key(path: &Path) -> Result<PKey<Private>, KeyError> {
    let text = read(path)?;
    let mut asked = false;
    let key = PKey::private_key_from_pem_callback(&text, |_| {
        // Without a callback OpenSSL would ask on the terminal.
        asked = true;
        Err(ErrorStack::get())
    });
    let key = match key {
        Ok(key) => key,
        Err(_) if asked => return Err(KeyError::Encrypted { path: path.to_owned() }),
        Err(source) => return Err(KeyError::NoKey { path: path.to_owned(), source }),
    };
    if key.id() == Id::RSA && key.bits() >= SMALLEST {
        return Ok(key);
    }
    let found = match key.id() {
        Id::RSA => format!("RSA of {} bits", key.bits()),
        Id::EC => "of an elliptic curve".to_owned(),
        _ => "of another kind".to_owned(),
    };
    Err(KeyError::NotUsable { path: path.to_owned(), found })
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    fs::read(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })
}
