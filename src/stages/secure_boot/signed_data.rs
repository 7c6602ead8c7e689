//! `SignedData` of the Cryptographic Message Syntax (RFC 5652), which Authenticode and the kernel share.

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
use openssl::hash::{MessageDigest, hash};

use super::error::Error;
use crate::base::x509::Signer;

/// A hash, by what OpenSSL, the kernel and ASN.1 call it.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    name: &'static str,
    oid: ObjectIdentifier,
}

pub(super) const SHA256: Hash = Hash { name: "sha256", oid: rfc5912::ID_SHA_256 };
const SHA384: Hash = Hash { name: "sha384", oid: rfc5912::ID_SHA_384 };
pub(super) const SHA512: Hash = Hash { name: "sha512", oid: rfc5912::ID_SHA_512 };

impl Hash {
    /// By a value of `CONFIG_MODULE_SIG_HASH`.
    pub fn named(name: &str) -> Result<Hash, Error> {
        let known = [SHA256, SHA384, SHA512].into_iter().find(|hash| hash.name == name);
        known.ok_or_else(|| Error::Hash { name: name.to_owned() })
    }

    pub fn algorithm(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.oid, parameters: Some(Any::null()) }
    }

    fn in_openssl(self) -> MessageDigest {
        MessageDigest::from_name(self.name).expect("OpenSSL has every SHA-2")
    }
}

impl Signer {
    /// Of data that lies elsewhere: no certificate and no attributes, as scripts/sign-file of the kernel
    /// writes it.
    pub(super) fn sign_detached(&self, data: &[u8], hash: Hash) -> Result<Vec<u8>, Error> {
        let content = EncapsulatedContentInfo { econtent_type: rfc5911::ID_DATA, econtent: None };
        let signer = self.signer_info(hash, None, data)?;
        signed_data(content, hash, None, signer)
    }

    /// Of content that is enclosed, with the certificate. The only attributes are the two that a content
    /// which is not plain data must have (RFC 5652, section 5.3): a time would make every signature another.
    pub(super) fn sign_enclosed(
        &self,
        kind: ObjectIdentifier,
        content: Any,
        hash: Hash,
    ) -> Result<Vec<u8>, Error> {
        let digest = hash_of(hash, content.value())?;
        let attribute = |oid, value| -> Result<_, Error> {
            Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
        };
        let attributes = SetOfVec::try_from(vec![
            attribute(rfc5911::ID_CONTENT_TYPE, Any::from(kind))?,
            attribute(rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest)?)?)?,
        ])?;
        // Signed as a SET OF, whatever its tag where it stands.
        let text = attributes.to_der()?;
        let signer = self.signer_info(hash, Some(attributes), &text)?;
        let certificate = CertificateChoices::Certificate(self.certificate.clone());
        let certificates = CertificateSet(SetOfVec::try_from(vec![certificate])?);
        let content = EncapsulatedContentInfo { econtent_type: kind, econtent: Some(content) };
        signed_data(content, hash, Some(certificates), signer)
    }

    fn signer_info(
        &self,
        hash: Hash,
        signed_attrs: Option<SignedAttributes>,
        text: &[u8],
    ) -> Result<SignerInfo, Error> {
        let signature =
            openssl::sign::Signer::new(hash.in_openssl(), &self.key)?.sign_oneshot_to_vec(text)?;
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

pub(super) fn hash_of(name: Hash, data: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(hash(name.in_openssl(), data)?.to_vec())
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
