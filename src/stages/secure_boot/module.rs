//! A module: the signature is appended (include/linux/module_signature.h, scripts/sign-file.c).

use super::error::Error;
use super::signed_data::Hash;
use crate::base::x509::Signer;

/// `PKEY_ID_PKCS7` of `enum pkey_id_type`.
const PKEY_ID_PKCS7: u8 = 2;
/// `MODULE_SIG_STRING`.
pub(super) const MARK: &[u8] = b"~Module signature appended~\n";

/// The module with its signature.
pub(super) fn sign(mut module: Vec<u8>, hash: Hash, signer: &Signer) -> Result<Vec<u8>, Error> {
    let signature = signer.sign_detached(&module, hash)?;
    module.extend(&signature);
    // struct module_signature: algorithm, hash, kind, lengths of names, padding, length of the signature.
    module.extend([0, 0, PKEY_ID_PKCS7, 0, 0, 0, 0, 0]);
    module.extend((signature.len() as u32).to_be_bytes());
    module.extend(MARK);
    Ok(module)
}
