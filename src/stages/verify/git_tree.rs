//! Git tags: their signature.

use std::io;

use super::error::Error;
use crate::base::openpgp::verify::{Certificates, SignatureError};
use crate::base::release::Release;
use crate::stages::fetch::source::git_tree::Revision;

/// Checks the signature of the tag. Returns the chain of trust as a sentence.
///
/// Returns `None` for a revision without a signature by a known signer, if `accept_unverified`.
pub(super) fn check(
    url: &str,
    revision: &Revision,
    certificates: &Certificates,
    release: &Release,
    accept_unverified: bool,
) -> Result<Option<String>, Error> {
    let unverified = |reason: String| match accept_unverified {
        true => Ok(None),
        false => Err(Error::Unverified { url: url.to_owned(), reason }),
    };
    let tag = revision.signed_tag().map_err(|source| Error::Git { url: url.to_owned(), source })?;
    let Some(tag) = tag else {
        return unverified(format!("{} is not a signed tag", revision.reference));
    };
    let expected = format!("v{release}");
    let signed = tag.name().unwrap_or_default();
    if revision.reference == expected && signed != expected {
        return Err(Error::OtherTag { url: url.to_owned(), signed });
    }
    let text = tag.text.clone();
    match certificates.check_detached(&tag.signature, || Ok(Box::new(io::Cursor::new(text.clone())))) {
        Ok(signer) => Ok(Some(format!("the tag {signed} signed by {signer}; git's own object names"))),
        Err(error @ SignatureError::NoTrustedSigner { .. }) => unverified(error.to_string()),
        Err(source) => Err(Error::Signature { url: url.to_owned(), source }),
    }
}
