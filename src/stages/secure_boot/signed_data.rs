//! `SignedData` of the Cryptographic Message Syntax (RFC 5652), for Authenticode and for modules.

use cms::cert::x509::attr::Attribute;
use cms::cert::x509::der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use cms::cert::x509::der::oid::db::{rfc5911, rfc5912};
use cms::cert::x509::der::{Any, Encode};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier, SignerInfo,
    SignerInfos,
};
use openssl::hash::MessageDigest;

use super::error::Error;
use crate::base::x509::Signer;

/// A hash algorithm, by its name in OpenSSL and the kernel and by its object identifier.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    name: &'static str,
    oid: ObjectIdentifier,
}

pub(super) const SHA256: Hash = Hash { name: "sha256", oid: rfc5912::ID_SHA_256 };
const SHA384: Hash = Hash { name: "sha384", oid: rfc5912::ID_SHA_384 };
pub(super) const SHA512: Hash = Hash { name: "sha512", oid: rfc5912::ID_SHA_512 };

impl Hash {
    /// Returns the hash for a value of `CONFIG_MODULE_SIG_HASH`.
    pub(super) fn named(name: &str) -> Result<Hash, Error> {
        let known = [SHA256, SHA384, SHA512].into_iter().find(|hash| hash.name == name);
        known.ok_or_else(|| Error::Hash { name: name.to_owned() })
    }

    pub(super) fn algorithm(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.oid, parameters: Some(Any::null()) }
    }

    fn in_openssl(self) -> MessageDigest {
        MessageDigest::from_name(self.name).expect("OpenSSL implements SHA-2")
    }
}

/// Signs data that the signature does not include, without certificate and attributes, as the kernel's
/// scripts/sign-file does.
pub(super) fn sign_detached(signer: &Signer, data: &[u8], hash: Hash) -> Result<Vec<u8>, Error> {
    let content = EncapsulatedContentInfo { econtent_type: rfc5911::ID_DATA, econtent: None };
    let signer = signer_info(signer, hash, None, data)?;
    signed_data(content, hash, None, signer)
}

/// Signs content that the signature includes, with the certificate.
///
/// The only attributes are the two that content other than plain data requires (RFC 5652, section 5.3): with
/// a signing time, no two signatures would be equal.
pub(super) fn sign_enclosed(
    signer: &Signer,
    kind: ObjectIdentifier,
    content: Any,
    hash: Hash,
) -> Result<Vec<u8>, Error> {
    let digest = openssl::hash::hash(hash.in_openssl(), content.value())?.to_vec();
    let attribute =
        |oid, value| -> Result<_, Error> { Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? }) };
    let attributes = SetOfVec::try_from(vec![
        attribute(rfc5911::ID_CONTENT_TYPE, Any::from(kind))?,
        attribute(rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest)?)?)?,
    ])?;
    // The signature covers them as a SET OF, whatever their tag in SignerInfo (RFC 5652, section 5.4).
    let signed = attributes.to_der()?;
    let info = signer_info(signer, hash, Some(attributes), &signed)?;
    let certificate = CertificateChoices::Certificate(signer.certificate().clone());
    let certificates = CertificateSet(SetOfVec::try_from(vec![certificate])?);
    let content = EncapsulatedContentInfo { econtent_type: kind, econtent: Some(content) };
    signed_data(content, hash, Some(certificates), info)
}

/// Signs the bytes `signed`.
fn signer_info(
    signer: &Signer,
    hash: Hash,
    signed_attrs: Option<SignedAttributes>,
    signed: &[u8],
) -> Result<SignerInfo, Error> {
    let signature = signer.sign(hash.in_openssl(), signed)?;
    let certificate = &signer.certificate().tbs_certificate;
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

fn signed_data(
    content: EncapsulatedContentInfo,
    hash: Hash,
    certificates: Option<CertificateSet>,
    signer: SignerInfo,
) -> Result<Vec<u8>, Error> {
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
