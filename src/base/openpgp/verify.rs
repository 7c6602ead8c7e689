//! Verifies OpenPGP signatures (RFC 9580) by this tool's policy.
//!
//! The policy, and why:
//!
//! - A certificate is trusted because its primary key is known: its fingerprint is pinned, or the user or the
//!   distribution put it into a keyring. Self-signatures therefore add no trust; they only restrict it (expiry,
//!   revocation, a key that may not sign). This is why SHA-1 self-signatures are accepted: the certificates of
//!   Torvalds and Kroah-Hartman date from 2011 and have no others.
//! - A binding adds a key. A signing subkey therefore counts only with a binding and a back signature that use
//!   a strong hash. None of the pinned signers signs with a subkey.
//! - A signature over data must use SHA-2 or SHA-3. MD5, SHA-1 and RIPEMD-160 are refused.
//! - Expiry and soft revocation (retired, superseded) count at the time of the signature, because an archive
//!   stays valid after its signer's key expires. Any other revocation refuses everything that the key signed.
//! - A signature that itself expires is refused: source archives have no use for one.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufReader, Read};

use pgp::composed::{
    CleartextSignedMessage, Deserializable, DetachedSignature, SignedKeyDetails, SignedPublicKey,
    SignedPublicSubKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use crate::base::digest::hex;

/// Public certificates whose signatures are trusted.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Vec<SignedPublicKey>);

/// The signer of a good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Fingerprint of the primary key: 40 upper-case hexadecimal digits for version 4 keys.
    pub fingerprint: String,
    /// The first user ID of the certificate.
    pub name: String,
    /// When the signature was made, in seconds since the epoch.
    pub signed_at: i64,
}

/// Why a mathematically valid signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// MD5, SHA-1 or RIPEMD-160.
    WeakHash,
    /// Neither a binary nor a text signature.
    NotOverData,
    /// No creation time.
    NoTime,
    /// The signature has an expiry time.
    Expires,
    /// A critical subpacket that this reader does not know.
    UnknownCritical,
    /// The key had expired at the time of the signature, or it has expired since and the document must be current.
    KeyExpired,
    /// The signature is from more than a day ahead.
    Future,
    /// The key is revoked.
    KeyRevoked,
    /// The signature is older than the key.
    KeyYounger,
    /// The certificate has no valid self-signature.
    NoSelfSignature,
    /// The key flags exclude signing.
    MayNotSign,
    /// The subkey's binding or back signature is missing, invalid or uses a weak hash.
    WeakBinding,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::WeakHash => "it uses a hash that can be forged (MD5, SHA-1 or RIPEMD-160)",
            Refusal::NotOverData => "it is not a signature over data",
            Refusal::NoTime => "it has no creation time",
            Refusal::Expires => "it has an expiry time",
            Refusal::UnknownCritical => "it has an unknown critical subpacket",
            Refusal::KeyExpired => "the key has expired",
            Refusal::Future => "it is dated in the future",
            Refusal::KeyRevoked => "the key is revoked",
            Refusal::KeyYounger => "it is older than its key",
            Refusal::NoSelfSignature => "the key's certificate has no valid self-signature",
            Refusal::MayNotSign => "the key may not sign data",
            Refusal::WeakBinding => "the signing subkey has no strong binding to its certificate",
        })
    }
}

/// Why a signature does not verify.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are not an OpenPGP signature.
    #[error("the signature is malformed")]
    Malformed {
        /// The cause.
        source: Box<pgp::errors::Error>,
    },
    /// No certificate contains the key that made the signature.
    #[error("no trusted key made this signature (it names {})", list(.issuers))]
    NoTrustedSigner {
        /// Fingerprints or key IDs that the signatures name, in upper-case hexadecimal digits.
        issuers: Vec<String>,
    },
    /// The signature is by a trusted key, and the policy does not accept it.
    #[error("the signature by {signer} is not accepted: {refusal}")]
    Refused {
        /// Name and fingerprint.
        signer: String,
        /// The rule that it violates.
        refusal: Refusal,
    },
    /// The signature is not over this data.
    #[error("the signature by {signer} does not match: the data was altered")]
    Bad {
        /// Name and fingerprint.
        signer: String,
    },
    /// The data cannot be read.
    #[error("cannot read the signed data")]
    Read {
        /// The cause.
        source: io::Error,
    },
}

fn list(issuers: &[String]) -> String {
    if issuers.is_empty() { "no key".to_owned() } else { issuers.join(", ") }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.fingerprint)
    }
}

impl Certificates {
    /// Reads a keyring: binary, or any number of armoured blocks.
    ///
    /// Certificates that are too old or too new for this reader are skipped: a missing certificate can only
    /// leave a signature untrusted.
    pub fn parse(bytes: &[u8]) -> Certificates {
        const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if !text.contains(BEGIN) {
            let parsed = SignedPublicKey::from_bytes_many(bytes);
            return Certificates(parsed.into_iter().flatten().filter_map(Result::ok).collect());
        }
        let mut certificates = Vec::new();
        for (start, _) in text.match_indices(BEGIN) {
            let block = &text[start..];
            let end = block[BEGIN.len()..].find(BEGIN).map_or(block.len(), |next| next + BEGIN.len());
            if let Ok((parsed, _)) = SignedPublicKey::from_string_many(&block[..end]) {
                certificates.extend(parsed.filter_map(Result::ok));
            }
        }
        Certificates(certificates)
    }

    /// Adds the certificates of another keyring.
    pub fn add(&mut self, more: Certificates) {
        self.0.extend(more.0);
    }

    /// The certificates whose primary key has one of these fingerprints, in upper or lower case.
    pub fn only(&self, fingerprints: &[String]) -> Certificates {
        let wanted = |key: &&SignedPublicKey| {
            fingerprints.iter().any(|wanted| wanted.eq_ignore_ascii_case(&fingerprint(*key)))
        };
        Certificates(self.0.iter().filter(wanted).cloned().collect())
    }

    /// Whether there is no certificate.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fingerprint of each primary key, in upper-case hexadecimal digits.
    pub fn fingerprints(&self) -> Vec<String> {
        self.0.iter().map(fingerprint).collect()
    }

    /// Verifies a detached signature, armoured or binary. `open` opens the data, once for each key that may
    /// have made the signature.
    ///
    /// # Errors
    /// See [`SignatureError`]; one good signature among several is enough.
    pub fn check_detached(
        &self,
        signature: &[u8],
        open: impl FnMut() -> io::Result<Box<dyn Read>>,
    ) -> Result<Signer, SignatureError> {
        let malformed = |source| SignatureError::Malformed { source: Box::new(source) };
        let (parsed, _) =
            DetachedSignature::from_reader_many_buf(BufReader::new(signature)).map_err(malformed)?;
        let signatures: Vec<_> = parsed
            .map(|signature| signature.map(|detached| detached.signature))
            .collect::<Result<_, _>>()
            .map_err(malformed)?;
        self.check(&signatures, Lifetime::AtSignature, open)
    }

    /// Verifies a clearsigned document (RFC 9580, section 7). Returns the signed text, with `\n` line ends: use
    /// nothing else of the document.
    ///
    /// Indexes are signed this way, and must be current: a key that has expired since signs no more.
    ///
    /// # Errors
    /// See [`SignatureError`]; one good signature among several is enough.
    pub fn check_clearsigned(&self, document: &[u8]) -> Result<(String, Signer), SignatureError> {
        let (message, _) = CleartextSignedMessage::from_armor(document)
            .map_err(|source| SignatureError::Malformed { source: Box::new(source) })?;
        let text = message.signed_text();
        let bytes = text.as_bytes().to_vec();
        let signer = self.check(message.signatures(), Lifetime::Now, || {
            Ok(Box::new(io::Cursor::new(bytes.clone())) as Box<dyn Read>)
        })?;
        Ok((text.replace("\r\n", "\n"), signer))
    }

    /// Accepts one good signature by a trusted key: Debian signs with several keys, so that each reader knows
    /// one of them.
    fn check(
        &self,
        signatures: &[Signature],
        lifetime: Lifetime,
        mut open: impl FnMut() -> io::Result<Box<dyn Read>>,
    ) -> Result<Signer, SignatureError> {
        let mut failure = None;
        for signature in signatures {
            for certificate in &self.0 {
                for key in keys_of(certificate).filter(|key| key.is_named_by(signature)) {
                    match check_one(signature, certificate, key, lifetime, &mut open) {
                        Ok(signer) => return Ok(signer),
                        Err(error @ SignatureError::Read { .. }) => return Err(error),
                        Err(error) => failure = Some(error),
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(|| SignatureError::NoTrustedSigner {
            issuers: signatures.iter().filter_map(issuer).collect(),
        }))
    }
}

impl From<SignedPublicKey> for Certificates {
    fn from(certificate: SignedPublicKey) -> Certificates {
        Certificates(vec![certificate])
    }
}

fn fingerprint(key: &impl KeyDetails) -> String {
    hex(key.fingerprint().as_bytes()).to_ascii_uppercase()
}

fn issuer(signature: &Signature) -> Option<String> {
    match signature.issuer_fingerprint().first() {
        Some(fingerprint) => Some(hex(fingerprint.as_bytes()).to_ascii_uppercase()),
        None => signature.issuer_key_id().first().map(|id| hex(id.as_ref()).to_ascii_uppercase()),
    }
}

/// When a key must not have expired.
#[derive(Clone, Copy)]
enum Lifetime {
    /// When it signed: what it signed stays valid.
    AtSignature,
    /// Now: the document must be current.
    Now,
}

/// Clocks may differ by this many seconds.
const DAY: u32 = 24 * 60 * 60;

/// A key of a certificate that may have made a signature.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    Primary(&'a SignedPublicKey),
    Subkey(&'a SignedPublicSubKey),
}

fn keys_of(certificate: &SignedPublicKey) -> impl Iterator<Item = Candidate<'_>> {
    std::iter::once(Candidate::Primary(certificate))
        .chain(certificate.public_subkeys.iter().map(Candidate::Subkey))
}

impl Candidate<'_> {
    fn is_named_by(&self, signature: &Signature) -> bool {
        let (id, fingerprint) = match self {
            Candidate::Primary(key) => (key.legacy_key_id(), key.fingerprint()),
            Candidate::Subkey(subkey) => (subkey.key.legacy_key_id(), subkey.key.fingerprint()),
        };
        signature.issuer_fingerprint().contains(&&fingerprint) || signature.issuer_key_id().contains(&&id)
    }

    fn verify(&self, signature: &Signature, data: impl Read) -> pgp::errors::Result<()> {
        match self {
            Candidate::Primary(key) => signature.verify(&key.primary_key, data),
            Candidate::Subkey(subkey) => signature.verify(&subkey.key, data),
        }
    }
}

fn check_one(
    signature: &Signature,
    certificate: &SignedPublicKey,
    key: Candidate<'_>,
    lifetime: Lifetime,
    open: &mut impl FnMut() -> io::Result<Box<dyn Read>>,
) -> Result<Signer, SignatureError> {
    let signed_at = signature.created().map_or(0, |time| time.as_secs().into());
    let signer =
        Signer { fingerprint: fingerprint(certificate), name: name(&certificate.details), signed_at };
    // The policy is checked first: that is cheap, and the data may be a gigabyte.
    may_have_signed(signature, certificate, key, lifetime)
        .map_err(|refusal| SignatureError::Refused { signer: signer.to_string(), refusal })?;
    let failed = RefCell::new(None);
    let data = open().map_err(|source| SignatureError::Read { source })?;
    let verified = key.verify(signature, RecordErrors { inner: data, failed: &failed });
    if let Some(source) = failed.into_inner() {
        return Err(SignatureError::Read { source });
    }
    verified.map_err(|_| SignatureError::Bad { signer: signer.to_string() })?;
    Ok(signer)
}

/// Records the first read error, which pgp reports like a signature that does not match.
struct RecordErrors<'a> {
    inner: Box<dyn Read>,
    failed: &'a RefCell<Option<io::Error>>,
}

impl Read for RecordErrors<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failed.borrow_mut().get_or_insert(error);
            kind.into()
        })
    }
}

fn name(details: &SignedKeyDetails) -> String {
    let id = details.users.first().and_then(|user| user.id.as_str().map(str::to_owned));
    id.unwrap_or_else(|| "a key without a name".to_owned())
}

fn may_have_signed(
    signature: &Signature,
    certificate: &SignedPublicKey,
    key: Candidate<'_>,
    lifetime: Lifetime,
) -> Result<(), Refusal> {
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(Refusal::NotOverData);
    }
    if !has_strong_hash(signature) {
        return Err(Refusal::WeakHash);
    }
    if signature.signature_expiration_time().is_some_and(|expiry| expiry.as_secs() > 0) {
        return Err(Refusal::Expires);
    }
    let critical = signature.config().into_iter().flat_map(|config| &config.hashed_subpackets).any(|part| {
        use SubpacketData::{Experimental, Notation, Other};
        part.is_critical && matches!(part.data, Experimental(..) | Other(..) | Notation(..))
    });
    if critical {
        return Err(Refusal::UnknownCritical);
    }
    let signed_at = signature.created().ok_or(Refusal::NoTime)?.as_secs();
    let now = u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX);
    if signed_at > now.saturating_add(DAY) {
        return Err(Refusal::Future);
    }
    let used_at = match lifetime {
        Lifetime::AtSignature => signed_at,
        Lifetime::Now => now.max(signed_at),
    };
    primary_is_valid(certificate, signed_at, used_at, matches!(key, Candidate::Primary(_)))?;
    match key {
        Candidate::Primary(_) => Ok(()),
        Candidate::Subkey(subkey) => subkey_is_valid(certificate, subkey, signed_at, used_at),
    }
}

fn has_strong_hash(signature: &Signature) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha224, Sha256, Sha384, Sha512};
    matches!(signature.hash_alg(), Some(Sha224 | Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512))
}

fn primary_is_valid(
    certificate: &SignedPublicKey,
    signed_at: u32,
    used_at: u32,
    signs: bool,
) -> Result<(), Refusal> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    let revocations = details.revocation_signatures.iter().filter(|sig| sig.verify_key(key).is_ok());
    check_revocations(revocations, signed_at)?;
    let by_user = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(move |sig| {
            sig.is_certification() && sig.verify_certification(key, Tag::UserId, &user.id).is_ok()
        })
    });
    let direct = details.direct_signatures.iter().filter(|sig| sig.verify_key(key).is_ok());
    // The newest one counts: the holder moves the expiry time with a new self-signature.
    let newest = by_user.chain(direct).max_by_key(|sig| sig.created()).ok_or(Refusal::NoSelfSignature)?;
    check_lifetime(key.created_at().as_secs(), newest, signed_at, used_at)?;
    if signs && states_flags(newest) && !newest.key_flags().sign() {
        return Err(Refusal::MayNotSign);
    }
    Ok(())
}

fn subkey_is_valid(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    signed_at: u32,
    used_at: u32,
) -> Result<(), Refusal> {
    let primary = &certificate.primary_key;
    let of_type = |wanted| {
        subkey.signatures.iter().filter(move |sig: &&Signature| {
            sig.typ() == Some(wanted) && sig.verify_subkey_binding(primary, &subkey.key).is_ok()
        })
    };
    check_revocations(of_type(SignatureType::SubkeyRevocation), signed_at)?;
    let binding = of_type(SignatureType::SubkeyBinding)
        .max_by_key(|sig| sig.created())
        .filter(|sig| has_strong_hash(sig))
        .ok_or(Refusal::WeakBinding)?;
    if !binding.key_flags().sign() {
        return Err(Refusal::MayNotSign);
    }
    let back = binding.embedded_signature().ok_or(Refusal::WeakBinding)?;
    if !has_strong_hash(back) || back.verify_primary_key_binding(&subkey.key, primary).is_err() {
        return Err(Refusal::WeakBinding);
    }
    check_lifetime(subkey.key.created_at().as_secs(), binding, signed_at, used_at)
}

fn check_revocations<'a>(
    revocations: impl Iterator<Item = &'a Signature>,
    signed_at: u32,
) -> Result<(), Refusal> {
    for revocation in revocations {
        let soft = matches!(
            revocation.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        let revoked_at = revocation.created().map_or(0, |time| time.as_secs());
        if !soft || signed_at >= revoked_at {
            return Err(Refusal::KeyRevoked);
        }
    }
    Ok(())
}

fn check_lifetime(created: u32, statement: &Signature, signed_at: u32, used_at: u32) -> Result<(), Refusal> {
    if signed_at < created {
        return Err(Refusal::KeyYounger);
    }
    match statement.key_expiration_time().map(|lifetime| lifetime.as_secs()) {
        Some(lifetime) if lifetime > 0 && used_at - created >= lifetime => Err(Refusal::KeyExpired),
        _ => Ok(()),
    }
}

fn states_flags(signature: &Signature) -> bool {
    let parts = signature.config().into_iter().flat_map(|config| &config.hashed_subpackets);
    parts.into_iter().any(|part| matches!(part.data, SubpacketData::KeyFlags(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public certificates of kernel.org's release signers: Torvalds, Kroah-Hartman and Levin.
    const REAL: &[u8] = include_bytes!("../../../tests/data/kernel-signers.asc");
    /// A time in 2024, in seconds since the epoch.
    const RECENTLY: u32 = 1_710_000_000;

    fn real() -> Vec<SignedPublicKey> {
        Certificates::parse(REAL).0
    }

    #[test]
    fn the_release_signers_may_sign_although_their_self_signatures_use_sha_1() {
        let certificates = real();
        assert_eq!(certificates.len(), 3);
        for certificate in &certificates {
            let name = name(&certificate.details);
            assert_eq!(primary_is_valid(certificate, RECENTLY, RECENTLY, true), Ok(()), "{name}");
        }
        let uses_sha_1 = |certificate: &&SignedPublicKey| {
            let signatures = certificate.details.users.iter().flat_map(|user| &user.signatures);
            signatures.clone().count() > 0 && !signatures.clone().any(has_strong_hash)
        };
        // When this fails, the policy can become stricter.
        assert_eq!(certificates.iter().filter(uses_sha_1).count(), 2);
    }

    #[test]
    fn no_subkey_of_the_release_signers_may_sign() {
        for certificate in &real() {
            for subkey in &certificate.public_subkeys {
                assert!(subkey_is_valid(certificate, subkey, RECENTLY, RECENTLY).is_err());
            }
        }
    }

    #[test]
    fn a_signature_older_than_its_key_does_not_count() {
        for certificate in &real() {
            assert_eq!(
                primary_is_valid(certificate, 1_000_000_000, RECENTLY, true),
                Err(Refusal::KeyYounger)
            );
        }
    }

    #[test]
    fn a_certificate_without_a_valid_self_signature_does_not_count() {
        let mut certificates = real();
        let mut foreign = certificates.pop().unwrap();
        foreign.details = certificates.pop().unwrap().details;
        assert_eq!(primary_is_valid(&foreign, RECENTLY, RECENTLY, true), Err(Refusal::NoSelfSignature));
    }
}
