//! The Secure Boot key: an RSA private key with its X.509 certificate, and its signatures.
//!
//! A signature is `SignedData` of the Cryptographic Message Syntax (RFC 5652), for Authenticode and for modules.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use cms::cert::x509::Certificate;
use cms::cert::x509::attr::Attribute;
use cms::cert::x509::der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use cms::cert::x509::der::oid::db::{rfc5911, rfc5912};
use cms::cert::x509::der::{self, Any, Decode, Encode};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier, SignerInfo,
    SignerInfos,
};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::X509;
use serde::{Deserialize, Serialize};

use crate::base::digest::sha256;
use crate::base::error::{Exit, Explain};
use crate::base::files;

/// Why `--secure-boot-key` and `--secure-boot-cert` cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read; the error names operation and path.
    #[error("cannot read the Secure Boot key or its certificate")]
    Io(#[from] io::Error),
    /// The file contains no private key.
    #[error("{} contains no private key in PEM format", path.display())]
    NoKey {
        /// The key file.
        path: PathBuf,
        /// The cause.
        source: ErrorStack,
    },
    /// The key has a passphrase.
    #[error("the private key in {} is encrypted", path.display())]
    Encrypted {
        /// The key file.
        path: PathBuf,
    },
    /// The file contains no certificate.
    #[error("{} is not an X.509 certificate in PEM or DER format", path.display())]
    NoCertificate {
        /// The certificate file.
        path: PathBuf,
        /// The cause.
        source: ErrorStack,
    },
    /// OpenSSL accepts the certificate, but its encoding is not canonical DER.
    #[error("the certificate in {} is not valid DER", path.display())]
    Malformed {
        /// The certificate file.
        path: PathBuf,
        /// The cause.
        source: der::Error,
    },
    /// The certificate is for another key.
    #[error("the private key in {} does not match the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// A key without its certificate, or the reverse.
    #[error("--{given} requires --{missing}")]
    IncompletePair {
        /// The flag that is set.
        given: &'static str,
        /// The flag that is missing.
        missing: &'static str,
    },
    /// The certificate is not the one that the run began with.
    #[error("the certificate in {} was replaced while the kernel was built", path.display())]
    Replaced {
        /// The certificate file.
        path: PathBuf,
    },
    /// Firmware does not verify signatures of such a key.
    #[error("the private key in {} is {found}; firmware requires RSA with at least {MINIMUM_BITS} bits", path.display())]
    NotUsable {
        /// The key file.
        path: PathBuf,
        /// Algorithm and size of the key.
        found: String,
    },
}

/// Every firmware must support RSA with 2048 bits (UEFI 2.10, section 32.4.1).
const MINIMUM_BITS: u32 = 2048;

impl Explain for KeyError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        match self {
            KeyError::Encrypted { path } => Some(format!(
                "decrypt it to a file that only you can read: openssl pkey -in {} -out KEY",
                path.display()
            )),
            KeyError::NoKey { .. } | KeyError::NotUsable { .. } => Some(
                "create one: openssl req -new -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=NAME/ -keyout KEY -out CERT"
                    .to_owned(),
            ),
            KeyError::IncompletePair { missing, .. } => Some(format!("add --{missing} FILE")),
            KeyError::Mismatch { .. } => Some("use a key and a certificate that belong together".to_owned()),
            KeyError::Io(_) => Some("check --secure-boot-key and --secure-boot-cert".to_owned()),
            _ => None,
        }
    }
}

/// Why a key that can sign did not.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// OpenSSL failed.
    #[error("OpenSSL cannot sign")]
    OpenSsl(#[from] ErrorStack),
    /// A signature cannot be encoded as DER.
    #[error("cannot encode a signature")]
    Encoding(#[from] der::Error),
}

/// A hash algorithm, by its name in OpenSSL and the kernel and by its object identifier.
#[derive(Clone, Copy)]
pub(crate) struct Hash {
    name: &'static str,
    oid: ObjectIdentifier,
}

pub(crate) const SHA256: Hash = Hash { name: "sha256", oid: rfc5912::ID_SHA_256 };
const SHA384: Hash = Hash { name: "sha384", oid: rfc5912::ID_SHA_384 };
const SHA512: Hash = Hash { name: "sha512", oid: rfc5912::ID_SHA_512 };

impl Hash {
    /// Returns the hash for a value of `CONFIG_MODULE_SIG_HASH`; `None` for one that is not implemented here.
    pub(crate) fn named(name: &str) -> Option<Hash> {
        [SHA256, SHA384, SHA512].into_iter().find(|hash| hash.name == name)
    }

    pub(crate) fn algorithm(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.oid, parameters: Some(Any::null()) }
    }

    fn in_openssl(self) -> MessageDigest {
        MessageDigest::from_name(self.name).expect("OpenSSL implements SHA-2")
    }
}

/// A private key with its certificate.
///
/// Signatures are reproducible: RSA with PKCS #1 v1.5 uses no random number.
#[derive(Clone)]
pub struct Signer {
    key: PKey<Private>,
    certificate: Certificate,
    /// The certificate in PEM format, which kbuild reads.
    pem: String,
    identity: Identity,
}

/// The signer as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Identity {
    /// Subject of the certificate in the notation of RFC 4514: `CN=My kernels`.
    pub subject: String,
    /// SHA-256 of the certificate in DER format, as 64 lower-case hexadecimal digits; equal to
    /// `openssl x509 -fingerprint -sha256` without colons.
    pub sha256: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, SHA-256 {}", self.subject, self.sha256)
    }
}

impl fmt::Debug for Signer {
    /// Shows the identity, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

/// The files of a key pair that can sign. The private key stays in its file until [`SignerFiles::load`]: a kernel's build,
/// which runs code of the source, must not find it in memory.
#[derive(Clone, Debug)]
pub struct SignerFiles {
    key: PathBuf,
    certificate: PathBuf,
    /// The certificate in PEM format, which kbuild reads.
    pem: String,
    identity: Identity,
}

impl SignerFiles {
    /// Checks the pair that `--secure-boot-key` and `--secure-boot-cert` name; `None` if neither is set.
    ///
    /// # Errors
    /// Only one of the two is set, or as [`Signer::load`].
    pub fn check_pair(
        key: Option<&Path>,
        certificate: Option<&Path>,
    ) -> Result<Option<SignerFiles>, KeyError> {
        let (key_flag, certificate_flag) = ("secure-boot-key", "secure-boot-cert");
        match (key, certificate) {
            (None, None) => Ok(None),
            (Some(key), Some(certificate)) => SignerFiles::check(key, certificate).map(Some),
            (Some(_), None) => Err(KeyError::IncompletePair { given: key_flag, missing: certificate_flag }),
            (None, Some(_)) => Err(KeyError::IncompletePair { given: certificate_flag, missing: key_flag }),
        }
    }

    /// Loads the pair once, to check it.
    ///
    /// # Errors
    /// As [`Signer::load`].
    pub fn check(key: &Path, certificate: &Path) -> Result<SignerFiles, KeyError> {
        let Signer { pem, identity, .. } = Signer::load(key, certificate)?;
        Ok(SignerFiles { key: key.to_owned(), certificate: certificate.to_owned(), pem, identity })
    }

    /// Returns subject and fingerprint of the certificate.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the certificate in PEM format.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Loads the pair to sign.
    ///
    /// # Errors
    /// As [`Signer::load`], or the certificate is another one than before.
    pub fn load(&self) -> Result<Signer, KeyError> {
        let signer = Signer::load(&self.key, &self.certificate)?;
        match signer.identity == self.identity {
            true => Ok(signer),
            false => Err(KeyError::Replaced { path: self.certificate.clone() }),
        }
    }
}

impl Signer {
    /// Reads a private key (PEM) and its certificate (PEM or DER); one file may contain both.
    ///
    /// # Errors
    /// The key is encrypted, too small, not RSA, or does not match the certificate.
    pub fn load(key: &Path, certificate: &Path) -> Result<Signer, KeyError> {
        let (key_path, path) = (key, certificate);
        let key = private_key(key_path)?;
        let text = files::read(path, files::LONGEST_SETTINGS)?;
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
            return Err(malformed(der::ErrorKind::Noncanonical { tag: der::Tag::Sequence }.into()));
        }
        let identity =
            Identity { subject: certificate.tbs_certificate.subject.to_string(), sha256: sha256(&der) };
        let pem = String::from_utf8_lossy(&x509.to_pem().map_err(openssl)?).into_owned();
        Ok(Signer { key, certificate, pem, identity })
    }

    /// Returns subject and fingerprint of the certificate.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Signs data that the signature does not include, without certificate and attributes, as the kernel's
    /// scripts/sign-file does.
    pub(crate) fn sign_detached(&self, data: &[u8], hash: Hash) -> Result<Vec<u8>, SignError> {
        let content = EncapsulatedContentInfo { econtent_type: rfc5911::ID_DATA, econtent: None };
        let signer = self.info(hash, None, data)?;
        signed_data(content, hash, None, signer)
    }

    /// Signs content that the signature includes, with the certificate.
    ///
    /// The only attributes are the two that content other than plain data requires (RFC 5652, section 5.3): with
    /// a signing time, no two signatures would be equal.
    pub(crate) fn sign_enclosed(
        &self,
        kind: ObjectIdentifier,
        content: Any,
        hash: Hash,
    ) -> Result<Vec<u8>, SignError> {
        let digest = openssl::hash::hash(hash.in_openssl(), content.value())?.to_vec();
        let attribute = |oid, value| -> Result<_, SignError> {
            Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
        };
        let attributes = SetOfVec::try_from(vec![
            attribute(rfc5911::ID_CONTENT_TYPE, Any::from(kind))?,
            attribute(rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest)?)?)?,
        ])?;
        // The signature covers them as a SET OF, whatever their tag in SignerInfo (RFC 5652, section 5.4).
        let signed = attributes.to_der()?;
        let info = self.info(hash, Some(attributes), &signed)?;
        let certificate = CertificateChoices::Certificate(self.certificate.clone());
        let certificates = CertificateSet(SetOfVec::try_from(vec![certificate])?);
        let content = EncapsulatedContentInfo { econtent_type: kind, econtent: Some(content) };
        signed_data(content, hash, Some(certificates), info)
    }

    /// Signs the bytes `signed` (RSA with PKCS #1 v1.5).
    fn info(
        &self,
        hash: Hash,
        signed_attrs: Option<SignedAttributes>,
        signed: &[u8],
    ) -> Result<SignerInfo, SignError> {
        let signature =
            openssl::sign::Signer::new(hash.in_openssl(), &self.key)?.sign_oneshot_to_vec(signed)?;
        let certificate = &self.certificate.tbs_certificate;
        let sid = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.issuer.clone(),
            serial_number: certificate.serial_number.clone(),
        });
        Ok(SignerInfo {
            version: CmsVersion::V1,
            sid,
            digest_alg: hash.algorithm(),
            signed_attrs,
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: rfc5912::RSA_ENCRYPTION,
                parameters: Some(Any::null()),
            },
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        })
    }
}

fn signed_data(
    content: EncapsulatedContentInfo,
    hash: Hash,
    certificates: Option<CertificateSet>,
    signer: SignerInfo,
) -> Result<Vec<u8>, SignError> {
    let data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![hash.algorithm()])?,
        encap_content_info: content,
        certificates,
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
    };
    let info = ContentInfo { content_type: rfc5911::ID_SIGNED_DATA, content: Any::encode_from(&data)? };
    Ok(info.to_der()?)
}

fn private_key(path: &Path) -> Result<PKey<Private>, KeyError> {
    let text = files::read_secret(path)?;
    let mut is_encrypted = false;
    let key = PKey::private_key_from_pem_callback(&text, |_| {
        // Without a callback OpenSSL would read the passphrase from the terminal.
        is_encrypted = true;
        Err(ErrorStack::get())
    });
    let key = match key {
        Ok(key) => key,
        Err(_) if is_encrypted => return Err(KeyError::Encrypted { path: path.to_owned() }),
        Err(source) => return Err(KeyError::NoKey { path: path.to_owned(), source }),
    };
    if key.id() == Id::RSA && key.bits() >= MINIMUM_BITS {
        return Ok(key);
    }
    let found = match key.id() {
        Id::RSA => format!("RSA with {} bits", key.bits()),
        Id::EC => "an elliptic curve key".to_owned(),
        _ => "neither RSA nor an elliptic curve key".to_owned(),
    };
    Err(KeyError::NotUsable { path: path.to_owned(), found })
}
