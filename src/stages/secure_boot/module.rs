//! Signs a module by appending the signature (include/linux/module_signature.h, scripts/sign-file.c).

use super::error::Error;
use super::signed_data::{Hash, sign_detached};
use crate::base::x509::Signer;

/// `PKEY_ID_PKCS7` of `enum pkey_id_type`.
const PKEY_ID_PKCS7: u8 = 2;
/// `MODULE_SIG_STRING`.
const MARK: &[u8] = b"~Module signature appended~\n";

/// Returns the signed module.
pub(super) fn sign(mut module: Vec<u8>, hash: Hash, signer: &Signer) -> Result<Vec<u8>, Error> {
    let signature = sign_detached(signer, &module, hash)?;
    module.extend(&signature);
    // struct module_signature: algo, hash, id_type, signer_len, key_id_len, three bytes of padding, sig_len.
    module.extend([0, 0, PKEY_ID_PKCS7, 0, 0, 0, 0, 0]);
    module.extend((signature.len() as u32).to_be_bytes());
    module.extend(MARK);
    Ok(module)
}
