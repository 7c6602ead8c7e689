//! Signs the image: an Authenticode signature in a PE file.
//!
//! Source: Microsoft, "Windows Authenticode Portable Executable Signature Format" and "PE Format" (section
//! "The attribute certificate table").

use std::path::Path;

use authenticode::{
    DigestInfo, PeOffsets, PeTrait, SPC_INDIRECT_DATA_OBJID, SpcAttributeTypeAndOptionalValue,
    SpcIndirectDataContent, WIN_CERT_REVISION_2_0, WIN_CERT_TYPE_PKCS_SIGNED_DATA, authenticode_digest,
};
use cms::cert::x509::der::asn1::{ObjectIdentifier, OctetString};
use cms::cert::x509::der::{Any, Decode};
use object::pe::IMAGE_DIRECTORY_ENTRY_SECURITY;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};
use sha2_for_authenticode::{Digest, Sha256};

use super::error::Error;
use crate::base::x509::{SHA256, SignError};

const SPC_PE_IMAGE_DATA_OBJID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
/// An empty `SpcPeImageData`: no flags and an empty file name.
const SPC_PE_IMAGE_DATA: &[u8] = &[0x30, 9, 0x03, 1, 0, 0xa0, 4, 0xa2, 2, 0x80, 0];
/// Bytes to which entries of the certificate table are aligned.
const ALIGNMENT: usize = 8;

/// Returns the signed image; `path` appears only in messages. `sign` returns the signature of content of a type.
pub(super) fn sign(
    mut image: Vec<u8>,
    path: &Path,
    sign: impl FnOnce(ObjectIdentifier, Any) -> Result<Vec<u8>, SignError>,
) -> Result<Vec<u8>, Error> {
    // The signature covers the padding.
    image.resize(image.len().next_multiple_of(ALIGNMENT), 0);
    let (digest, offsets) = examine(&image).map_err(|why| Error::Image { path: path.to_owned(), why })?;
    let signature = sign(SPC_INDIRECT_DATA_OBJID, indirect_data(digest)?)?;
    let start = image.len();
    append_certificate(&mut image, &signature);
    let entry = [start as u32, (image.len() - start) as u32].map(u32::to_le_bytes).concat();
    image[offsets.security_data_dir..offsets.after_security_data_dir].copy_from_slice(&entry);
    Ok(image)
}

/// Returns the Authenticode digest, and the offsets of the header field that locates the certificate table.
fn examine(image: &[u8]) -> Result<(Vec<u8>, PeOffsets), &'static str> {
    let pe = PeFile64::parse(image).map_err(|_| "it is not a PE file")?;
    let entries = pe.nt_headers().optional_header().number_of_rva_and_sizes() as usize;
    if entries <= IMAGE_DIRECTORY_ENTRY_SECURITY {
        return Err("its header has no field for a signature");
    }
    if pe.data_directory(IMAGE_DIRECTORY_ENTRY_SECURITY).is_some() {
        return Err("it is already signed");
    }
    let mut digest = Sha256::new();
    authenticode_digest(&pe, &mut digest).map_err(|_| "its sections extend beyond the file")?;
    let offsets = pe.offsets().map_err(|_| "its header extends beyond the file")?;
    Ok((digest.finalize().to_vec(), offsets))
}

fn indirect_data(digest: Vec<u8>) -> Result<Any, SignError> {
    let content = SpcIndirectDataContent {
        data: SpcAttributeTypeAndOptionalValue {
            value_type: SPC_PE_IMAGE_DATA_OBJID,
            value: Any::from_der(SPC_PE_IMAGE_DATA)?,
        },
        message_digest: DigestInfo {
            digest_algorithm: SHA256.algorithm(),
            digest: OctetString::new(digest)?,
        },
    };
    Ok(Any::encode_from(&content)?)
}

/// Appends a `WIN_CERTIFICATE`: length including this header, revision, type, signature.
fn append_certificate(image: &mut Vec<u8>, signature: &[u8]) {
    image.extend((8 + signature.len() as u32).to_le_bytes());
    image.extend(WIN_CERT_REVISION_2_0.to_le_bytes());
    image.extend(WIN_CERT_TYPE_PKCS_SIGNED_DATA.to_le_bytes());
    image.extend(signature);
    image.resize(image.len().next_multiple_of(ALIGNMENT), 0);
}
