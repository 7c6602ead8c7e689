//! Appends the signature to a module (include/linux/module_signature.h, scripts/sign-file.c).

/// `PKEY_ID_PKCS7` of `enum pkey_id_type`.
const PKEY_ID_PKCS7: u8 = 2;
/// `MODULE_SIG_STRING`.
const MARK: &[u8] = b"~Module signature appended~\n";

/// Returns the module with its signature, a `SignedData` in DER format.
pub(super) fn with_signature(mut module: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    module.extend(signature);
    // struct module_signature: algo, hash, id_type, signer_len, key_id_len, three bytes of padding, sig_len.
    module.extend([0, 0, PKEY_ID_PKCS7, 0, 0, 0, 0, 0]);
    module.extend((signature.len() as u32).to_be_bytes());
    module.extend(MARK);
    module
}
