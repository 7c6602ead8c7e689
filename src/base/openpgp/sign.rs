//! OpenPGP signatures (RFC 9580) that this tool makes itself.
//!
//! ```no_run
//! # fn main() -> Result<(), kpatch_build::signing::Error> {
//! let key = kpatch_build::signing::SigningKey::load("secret.asc".as_ref())?;
//! let made = 1_700_000_000; // seconds since the epoch, from the plan or from the clock
//! std::fs::write("SHA256SUMS.asc", key.detached(b"the sums".as_slice(), made)?).unwrap();
//! std::fs::write("InRelease", key.cleartext("Origin: …\n", made)?).unwrap();
//! std::fs::write("key.asc", key.certificate()).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! The same key, data and time give the same signature, byte for byte: RSA (PKCS#1 v1.5) and EdDSA
//! are deterministic, DSA and ECDSA are used as RFC 6979 says. Version 6 keys are refused: their
//! signatures are salted, and neither gpg nor apt nor rpm of today's distributions reads them.

use std::io::Read;
use std::path::{Path, PathBuf};

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, Deserializable, DetachedSignature, SignedKeyDetails,
    SignedPublicKey, SignedSecretKey,
};
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, SigningKey as Signs, Timestamp};

use crate::base::cache_key::hex;
use crate::base::error::{Exit, Explain};
use crate::base::openpgp::verify::{Certificates, SignatureError};

/// The environment variable that names a file whose first line is the secret key's passphrase.
pub const PASSPHRASE_FILE: &str = "KPATCH_BUILD_SIGNING_PASSPHRASE_FILE";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} holds no OpenPGP secret key", path.display())]
    NotASecretKey { path: PathBuf, source: Box<pgp::errors::Error> },
    #[error("{} holds a version 6 key, which today's gpg, apt and rpm cannot read", path.display())]
    TooNew { path: PathBuf },
    #[error("the secret key in {} is locked by a passphrase", path.display())]
    Locked { path: PathBuf },
    #[error("the passphrase in {} does not unlock {}", passphrase.display(), path.display())]
    WrongPassphrase { path: PathBuf, passphrase: PathBuf },
    #[error("no key in {} may sign", path.display())]
    NoSigner { path: PathBuf, tried: Vec<String> },
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
            Error::NoSigner { tried, .. } => tried.clone(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NotASecretKey { .. } => {
                Some("write one with `gpg --export-secret-keys --armor KEY > FILE`".into())
            }
            Error::Locked { .. } => Some(format!(
                "name a file with the passphrase in its first line in the environment variable {PASSPHRASE_FILE}"
            )),
            Error::TooNew { .. } | Error::NoSigner { .. } => {
                Some("make one with `gpg --quick-generate-key 'NAME <MAIL>' ed25519 sign never`".into())
            }
            _ => None,
        }
    }
}

/// A secret key that may sign, unlocked.
#[derive(Clone)]
pub struct SigningKey {
    key: SignedSecretKey,
    which: Which,
    /// No signature is made to look older, seconds since the epoch.
    since: u32,
}

/// The key of a certificate that signs.
#[derive(Clone, Copy)]
enum Which {
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
    /// The secret key in a file, armoured or binary, as `gpg --export-secret-keys` writes it; its newest
    /// subkey that may sign, else its primary key. A passphrase comes from [`PASSPHRASE_FILE`].
    ///
    /// A key whose signatures `kpatch-build verify` would not accept is refused here, before any
    /// work is done.
    pub fn load(path: &Path) -> Result<SigningKey, Error> {
        let passphrase = std::env::var_os(PASSPHRASE_FILE).filter(|name| !name.is_empty()).map(PathBuf::from);
        SigningKey::unlock(path, passphrase.as_deref())
    }

    fn unlock(path: &Path, passphrase: Option<&Path>) -> Result<SigningKey, Error> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source });
        let password = match passphrase {
            Some(file) => first_line(&read(file)?),
            None => Password::empty(),
        };
        let key = parse(path, &read(path)?)?;
        if key.primary_key.version() > KeyVersion::V4 {
            return Err(Error::TooNew { path: path.to_owned() });
        }
        let mut subkeys: Vec<usize> = (0..key.secret_subkeys.len()).collect();
        subkeys.sort_by_key(|index| std::cmp::Reverse(key.secret_subkeys[*index].key.created_at()));
        let mut signer = SigningKey { key, which: Which::Primary, since: 0 };
        let (mut locked, mut tried) = (false, Vec::new());
        for which in subkeys.into_iter().map(Which::Subkey).chain([Which::Primary]) {
            signer.which = which;
            signer.since = signer.oldest_time();
            match signer.remove_password(&password).and_then(|()| signer.is_accepted()) {
                Ok(()) => return Ok(signer),
                Err(Unfit::Locked) => locked = true,
                Err(Unfit::Refused(why)) => tried.push(format!("{}: {why}", signer.name_of_key())),
            }
        }
        let path = path.to_owned();
        Err(match passphrase {
            _ if !locked => Error::NoSigner { path, tried },
            Some(file) => Error::WrongPassphrase { path, passphrase: file.to_owned() },
            None => Error::Locked { path },
        })
    }

    /// Of the certificate's primary key, in upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex(self.key.primary_key.fingerprint().as_bytes()).to_ascii_uppercase()
    }

    /// What is needed to check the signatures, armoured.
    pub fn certificate(&self) -> String {
        let armoured = self.public().to_armored_string(ArmorOptions::default());
        armoured.expect("what was parsed can be written")
    }

    /// An armoured signature to be kept beside `data`, for a file `*.asc`.
    ///
    /// `made` is the time that the signature bears, seconds since the epoch. A time before the key
    /// was made is replaced by that: nobody accepts a signature that is older than its key.
    pub fn detached(&self, data: impl Read, made: i64) -> Result<String, Error> {
        let config = self.config(SignatureType::Binary, made).map_err(failed)?;
        let signature = self.sign(config, data).map_err(failed)?;
        DetachedSignature::new(signature).to_armored_string(ArmorOptions::default()).map_err(failed)
    }

    /// The text as a signed document (RFC 9580, section 7), for apt's `InRelease`.
    ///
    /// White space at the ends of lines is not part of what is signed and is left out. `made` as for
    /// [`SigningKey::detached`].
    pub fn cleartext(&self, text: &str, made: i64) -> Result<String, Error> {
        let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches([' ', '\t', '\r'])).collect();
        let text = lines.join("\n");
        let config = self.config(SignatureType::Text, made).map_err(failed)?;
        let message = match self.which {
            Which::Primary => {
                CleartextSignedMessage::new(&text, config, &self.key.primary_key, &Password::empty())
            }
            Which::Subkey(index) => CleartextSignedMessage::new(
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
        match self.which {
            Which::Primary => config.sign(&self.key.primary_key, &Password::empty(), data),
            Which::Subkey(index) => {
                config.sign(&self.key.secret_subkeys[index].key, &Password::empty(), data)
            }
        }
    }

    /// All that a signature says stands where the signature covers it, the key's number too: so no
    /// byte of it can be changed unnoticed.
    fn config(&self, kind: SignatureType, made: i64) -> pgp::errors::Result<SignatureConfig> {
        match self.which {
            Which::Primary => config(&self.key.primary_key, kind, self.time(made)),
            Which::Subkey(index) => config(&self.key.secret_subkeys[index].key, kind, self.time(made)),
        }
    }

    fn time(&self, made: i64) -> u32 {
        u32::try_from(made.max(0)).unwrap_or(u32::MAX).max(self.since)
    }

    /// From when on the key and what binds it to its certificate exist.
    fn oldest_time(&self) -> u32 {
        let primary = &self.key.primary_key;
        let own = self_signatures(&self.key.details, primary);
        let mut times: Vec<_> = own.filter_map(Signature::created).chain([primary.created_at()]).collect();
        if let Which::Subkey(index) = self.which {
            let subkey = &self.key.secret_subkeys[index];
            times.push(subkey.key.created_at());
            times.extend(subkey.signatures.iter().filter_map(Signature::created));
        }
        times.into_iter().map(Timestamp::as_secs).max().unwrap_or(0)
    }

    /// Once, since that takes a while by intention; the key lies open in memory from then on.
    fn remove_password(&mut self, password: &Password) -> Result<(), Unfit> {
        let unlocked = match self.which {
            Which::Primary => self.key.primary_key.remove_password(password),
            Which::Subkey(index) => self.key.secret_subkeys[index].key.remove_password(password),
        };
        unlocked.map_err(|_| Unfit::Locked)
    }

    /// Signs something and checks it as `kpatch-build verify` does.
    fn is_accepted(&self) -> Result<(), Unfit> {
        let refused = |error: &dyn std::error::Error| Unfit::Refused(error.to_string());
        let signature = self.detached(b"".as_slice(), 0).map_err(|error| refused(&error))?;
        let open = || Ok(Box::new(std::io::empty()) as Box<dyn Read>);
        match Certificates::from(self.public()).check_detached(signature.as_bytes(), open) {
            Ok(_) => Ok(()),
            Err(SignatureError::Refused { refusal, .. }) => Err(Unfit::Refused(refusal.to_string())),
            Err(error) => Err(refused(&error)),
        }
    }

    fn name_of_key(&self) -> String {
        let fingerprint = match self.which {
            Which::Primary => self.key.primary_key.fingerprint(),
            Which::Subkey(index) => self.key.secret_subkeys[index].key.fingerprint(),
        };
        hex(fingerprint.as_bytes()).to_ascii_uppercase()
    }
}

/// Whether an armoured detached signature is whole, one that gpg wrote too: its checksum is right and
/// nothing was added. OpenPGP readers pass over such damage (RFC 9580, section 6.1).
pub fn is_whole(armoured: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(armoured) else { return false };
    let Ok((signature, _)) = DetachedSignature::from_string(text) else { return false };
    // Armour headers, such as a comment, are nobody's business.
    let plain = match (text.split_once('\n'), text.split_once("\n\n")) {
        (Some((begin, _)), Some((_, rest))) => format!("{begin}\n\n{rest}"),
        _ => return false,
    };
    signature.to_armored_string(ArmorOptions::default()).is_ok_and(|canonical| canonical == plain)
}

/// Why a key of a certificate does not sign.
enum Unfit {
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

fn config(key: &impl Signs, kind: SignatureType, made: u32) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), key.hash_alg());
    let parts = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(made)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
        // Old readers know the key by this only.
        SubpacketData::IssuerKeyId(key.legacy_key_id()),
    ];
    config.hashed_subpackets = parts.into_iter().map(Subpacket::regular).collect::<Result<_, _>>()?;
    Ok(config)
}
