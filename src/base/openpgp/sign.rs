//! Creates OpenPGP signatures (RFC 9580).
//!
//! ```no_run
//! # fn main() -> Result<(), kpatch_build::base::openpgp::sign::Error> {
//! let key = kpatch_build::base::openpgp::sign::SigningKey::load("secret.asc".as_ref())?;
//! let time = 1_700_000_000; // seconds since the epoch, from the plan or from the clock
//! std::fs::write("SHA256SUMS.asc", key.detached(b"the checksums".as_slice(), time)?).unwrap();
//! std::fs::write("InRelease", key.cleartext("Origin: …\n", time)?).unwrap();
//! std::fs::write("key.asc", key.certificate()).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! The same key, data and time result in the same signature, byte for byte: RSA (PKCS#1 v1.5) and EdDSA are
//! deterministic, DSA and ECDSA follow RFC 6979. Version 6 keys are refused: their signatures are salted, and
//! gpg, apt and rpm cannot read them yet.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, Deserializable, DetachedSignature, SignedKeyDetails,
    SignedPublicKey, SignedSecretKey,
};
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, SigningKey as Signs, Timestamp};

use crate::base::digest::hex;
use crate::base::error::{Exit, Explain};
use crate::base::files;
use crate::base::openpgp::verify::{Certificates, SignatureError};

/// The environment variable with the path of a file whose first line is the passphrase of the secret key.
pub const PASSPHRASE_FILE: &str = "KPATCH_BUILD_SIGNING_PASSPHRASE_FILE";

/// Why a key cannot be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read the OpenPGP key")]
    Io(#[from] io::Error),
    /// The file contains no secret key, but for example a public key.
    #[error("{} contains no OpenPGP secret key", path.display())]
    NotASecretKey {
        /// The key file.
        path: PathBuf,
        /// The cause.
        source: Box<pgp::errors::Error>,
    },
    /// The key has version 6.
    #[error("{} contains a version 6 key, which gpg, apt and rpm cannot read yet", path.display())]
    TooNew {
        /// The key file.
        path: PathBuf,
    },
    /// The key needs a passphrase, and none is configured.
    #[error("the secret key in {} is protected by a passphrase", path.display())]
    Locked {
        /// The key file.
        path: PathBuf,
    },
    /// The configured passphrase is wrong.
    #[error("the passphrase in {} does not unlock {}", passphrase.display(), path.display())]
    WrongPassphrase {
        /// The key file.
        path: PathBuf,
        /// The file with the passphrase.
        passphrase: PathBuf,
    },
    /// The policy of [`super::verify`] accepts no key of the file.
    #[error("no key in {} can sign", path.display())]
    NoSigner {
        /// The key file.
        path: PathBuf,
        /// For each key its fingerprint and the reason.
        rejected: Vec<String>,
    },
    /// The key is not the one that the run began with.
    #[error("the key in {} was replaced while the kernel was built", path.display())]
    Replaced {
        /// The key file.
        path: PathBuf,
    },
    /// Signing failed.
    #[error("cannot sign")]
    Sign(#[source] Box<pgp::errors::Error>),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Sign(_) => Exit::StageFailed,
            _ => Exit::Usage,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoSigner { rejected, .. } => rejected.clone(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NotASecretKey { .. } => {
                Some("export one with `gpg --export-secret-keys --armor KEY > FILE`".into())
            }
            Error::Locked { .. } => Some(format!(
                "set {PASSPHRASE_FILE} to the path of a file whose first line is the passphrase"
            )),
            Error::TooNew { .. } | Error::NoSigner { .. } => {
                Some("generate one with `gpg --quick-generate-key 'NAME <MAIL>' ed25519 sign never`".into())
            }
            Error::Io(_) => Some("check --openpgp-key".into()),
            _ => None,
        }
    }
}

/// The files of a secret key that can sign, and of its passphrase. The key stays in its file until
/// [`KeyFile::load`]: a kernel's build, which runs code of the source, must not find it in memory.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
    passphrase: Option<PathBuf>,
    fingerprint: String,
}

impl KeyFile {
    /// Loads the key once, to check it. [`PASSPHRASE_FILE`] names the passphrase.
    ///
    /// # Errors
    /// As [`SigningKey::load`].
    pub fn check(path: &Path) -> Result<KeyFile, Error> {
        let passphrase = passphrase_file();
        let fingerprint = SigningKey::unlock(path, passphrase.as_deref())?.fingerprint();
        Ok(KeyFile { path: path.to_owned(), passphrase, fingerprint })
    }

    /// Loads the key to sign.
    ///
    /// # Errors
    /// As [`SigningKey::load`], or the key is another one than before.
    pub fn load(&self) -> Result<SigningKey, Error> {
        let key = SigningKey::unlock(&self.path, self.passphrase.as_deref())?;
        match key.fingerprint() == self.fingerprint {
            true => Ok(key),
            false => Err(Error::Replaced { path: self.path.clone() }),
        }
    }
}

fn passphrase_file() -> Option<PathBuf> {
    std::env::var_os(PASSPHRASE_FILE).filter(|name| !name.is_empty()).map(PathBuf::from)
}

/// A secret key that may sign, unlocked.
#[derive(Clone)]
pub struct SigningKey {
    key: SignedSecretKey,
    slot: KeySlot,
    /// Earliest time of a signature, in seconds since the epoch.
    not_before: u32,
}

/// The position of the signing key in its certificate.
#[derive(Clone, Copy)]
enum KeySlot {
    Primary,
    /// Index into the secret subkeys.
    Subkey(usize),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.fingerprint()).finish()
    }
}

impl SigningKey {
    /// Reads a secret key, armoured or binary, as `gpg --export-secret-keys` writes it.
    ///
    /// Its newest subkey that can sign is used, else its primary key. [`PASSPHRASE_FILE`] names the passphrase.
    ///
    /// # Errors
    /// The file is unreadable, the key cannot be unlocked, or `kpatch-build verify` would not accept its signatures.
    pub fn load(path: &Path) -> Result<SigningKey, Error> {
        SigningKey::unlock(path, passphrase_file().as_deref())
    }

    fn unlock(path: &Path, passphrase: Option<&Path>) -> Result<SigningKey, Error> {
        let password = match passphrase {
            Some(file) => first_line(&files::read_secret(file)?),
            None => Password::empty(),
        };
        let key = parse(path, &files::read_secret(path)?)?;
        if key.primary_key.version() > KeyVersion::V4 {
            return Err(Error::TooNew { path: path.to_owned() });
        }
        let mut subkeys: Vec<usize> = (0..key.secret_subkeys.len()).collect();
        subkeys.sort_by_key(|index| std::cmp::Reverse(key.secret_subkeys[*index].key.created_at()));
        let mut signer = SigningKey { key, slot: KeySlot::Primary, not_before: 0 };
        let (mut locked, mut rejected) = (false, Vec::new());
        for slot in subkeys.into_iter().map(KeySlot::Subkey).chain([KeySlot::Primary]) {
            signer.slot = slot;
            signer.not_before = signer.valid_from();
            match signer.remove_password(&password).and_then(|()| signer.is_accepted()) {
                Ok(()) => return Ok(signer),
                Err(KeyRejection::Locked) => locked = true,
                Err(KeyRejection::Refused(reason)) => {
                    rejected.push(format!("{}: {reason}", signer.name_of_key()));
                }
            }
        }
        let path = path.to_owned();
        Err(match passphrase {
            _ if !locked => Error::NoSigner { path, rejected },
            Some(file) => Error::WrongPassphrase { path, passphrase: file.to_owned() },
            None => Error::Locked { path },
        })
    }

    /// Fingerprint of the primary key, in upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex(self.key.primary_key.fingerprint().as_bytes()).to_ascii_uppercase()
    }

    /// The public certificate that verifies the signatures, armoured.
    pub fn certificate(&self) -> String {
        let armoured = self.public().to_armored_string(ArmorOptions::default());
        armoured.expect("a parsed key can be written")
    }

    /// An armoured detached signature over `data`, for a file `*.asc`.
    ///
    /// `time` becomes the time of the signature, in seconds since the epoch. A time before the key's creation
    /// is replaced by the creation time: a signature older than its key is not valid.
    ///
    /// # Errors
    /// [`Error::Sign`], also when `data` cannot be read.
    pub fn detached(&self, data: impl Read, time: i64) -> Result<String, Error> {
        let config = self.config(SignatureType::Binary, time).map_err(failed)?;
        let signature = self.sign(config, data).map_err(failed)?;
        DetachedSignature::new(signature).to_armored_string(ArmorOptions::default()).map_err(failed)
    }

    /// The text as a signed document (RFC 9580, section 7), for apt's `InRelease`.
    ///
    /// White space at the ends of lines is removed: the signature does not cover it. `time` is as in
    /// [`SigningKey::detached`].
    ///
    /// # Errors
    /// [`Error::Sign`].
    pub fn cleartext(&self, text: &str, time: i64) -> Result<String, Error> {
        let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches([' ', '\t', '\r'])).collect();
        let text = lines.join("\n");
        let config = self.config(SignatureType::Text, time).map_err(failed)?;
        let message = match self.slot {
            KeySlot::Primary => {
                CleartextSignedMessage::new(&text, config, &self.key.primary_key, &Password::empty())
            }
            KeySlot::Subkey(index) => CleartextSignedMessage::new(
                &text,
                config,
                &self.key.secret_subkeys[index].key,
                &Password::empty(),
            ),
        };
        message.and_then(|message| message.to_armored_string(ArmorOptions::default())).map_err(failed)
    }

    fn public(&self) -> SignedPublicKey {
        self.key.to_public_key()
    }

    fn sign(&self, config: SignatureConfig, data: impl Read) -> pgp::errors::Result<Signature> {
        match self.slot {
            KeySlot::Primary => config.sign(&self.key.primary_key, &Password::empty(), data),
            KeySlot::Subkey(index) => {
                config.sign(&self.key.secret_subkeys[index].key, &Password::empty(), data)
            }
        }
    }

    /// Puts every field, including the key ID, into the hashed area: no byte of the signature can change unnoticed.
    fn config(&self, kind: SignatureType, time: i64) -> pgp::errors::Result<SignatureConfig> {
        match self.slot {
            KeySlot::Primary => config(&self.key.primary_key, kind, self.time(time)),
            KeySlot::Subkey(index) => config(&self.key.secret_subkeys[index].key, kind, self.time(time)),
        }
    }

    fn time(&self, time: i64) -> u32 {
        u32::try_from(time.max(0)).unwrap_or(u32::MAX).max(self.not_before)
    }

    /// Earliest time at which the key and its binding to the certificate exist, in seconds since the epoch.
    fn valid_from(&self) -> u32 {
        let primary = &self.key.primary_key;
        let of_primary = self_signatures(&self.key.details, primary);
        let mut times: Vec<_> =
            of_primary.filter_map(Signature::created).chain([primary.created_at()]).collect();
        if let KeySlot::Subkey(index) = self.slot {
            let subkey = &self.key.secret_subkeys[index];
            times.push(subkey.key.created_at());
            times.extend(subkey.signatures.iter().filter_map(Signature::created));
        }
        times.into_iter().map(Timestamp::as_secs).max().unwrap_or(0)
    }

    /// Unlocks the key in memory, once: deriving a key from a passphrase is slow by design.
    fn remove_password(&mut self, password: &Password) -> Result<(), KeyRejection> {
        let unlocked = match self.slot {
            KeySlot::Primary => self.key.primary_key.remove_password(password),
            KeySlot::Subkey(index) => self.key.secret_subkeys[index].key.remove_password(password),
        };
        unlocked.map_err(|_| KeyRejection::Locked)
    }

    /// Verifies a signature by this key as `kpatch-build verify` does.
    fn is_accepted(&self) -> Result<(), KeyRejection> {
        let refused = |error: &dyn std::error::Error| KeyRejection::Refused(error.to_string());
        let signature = self.detached(b"".as_slice(), 0).map_err(|error| refused(&error))?;
        let open = || Ok(Box::new(io::empty()) as Box<dyn Read>);
        match Certificates::from(self.public()).check_detached(signature.as_bytes(), open) {
            Ok(_) => Ok(()),
            Err(SignatureError::Refused { refusal, .. }) => Err(KeyRejection::Refused(refusal.to_string())),
            Err(error) => Err(refused(&error)),
        }
    }

    fn name_of_key(&self) -> String {
        let fingerprint = match self.slot {
            KeySlot::Primary => self.key.primary_key.fingerprint(),
            KeySlot::Subkey(index) => self.key.secret_subkeys[index].key.fingerprint(),
        };
        hex(fingerprint.as_bytes()).to_ascii_uppercase()
    }
}

/// Whether an armoured detached signature, by this tool or gpg, is intact: its checksum is right and nothing
/// was added. OpenPGP readers ignore such damage (RFC 9580, section 6.1).
pub fn is_whole(armoured: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(armoured) else { return false };
    let Ok((signature, _)) = DetachedSignature::from_string(text) else { return false };
    // Armour headers, such as a comment, may have any content.
    let plain = match (text.split_once('\n'), text.split_once("\n\n")) {
        (Some((begin, _)), Some((_, rest))) => format!("{begin}\n\n{rest}"),
        _ => return false,
    };
    signature.to_armored_string(ArmorOptions::default()).is_ok_and(|canonical| canonical == plain)
}

/// Why a key of a certificate cannot sign.
enum KeyRejection {
    Locked,
    Refused(String),
}

fn failed(error: pgp::errors::Error) -> Error {
    Error::Sign(Box::new(error))
}

fn first_line(text: &[u8]) -> Password {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Password::from(line.strip_suffix(b"\r").unwrap_or(line))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<SignedSecretKey, Error> {
    let not_a_key = |source| Error::NotASecretKey { path: path.to_owned(), source: Box::new(source) };
    match bytes.starts_with(b"-----") {
        true => SignedSecretKey::from_armor_single(bytes).map(|(key, _)| key).map_err(not_a_key),
        false => SignedSecretKey::from_bytes(bytes).map_err(not_a_key),
    }
}

fn self_signatures<'a>(
    details: &'a SignedKeyDetails,
    primary: &impl KeyDetails,
) -> impl Iterator<Item = &'a Signature> {
    let (id, fingerprint) = (primary.legacy_key_id(), primary.fingerprint());
    let all = details.direct_signatures.iter().chain(details.users.iter().flat_map(|user| &user.signatures));
    all.filter(move |signature| {
        signature.issuer_key_id().contains(&&id) || signature.issuer_fingerprint().contains(&&fingerprint)
    })
}

fn config(key: &impl Signs, kind: SignatureType, time: u32) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), key.hash_alg());
    let parts = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(time)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
        // Old readers identify the key by its ID.
        SubpacketData::IssuerKeyId(key.legacy_key_id()),
    ];
    config.hashed_subpackets = parts.into_iter().map(Subpacket::regular).collect::<Result<_, _>>()?;
    Ok(config)
}
