//! Archives in the store: their checksum and the signatures over them.

use std::path::Path;

use super::error::Error;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::openpgp::verify::{Certificates, SignatureError, Signer};
use crate::base::release::Release;
use crate::base::store::{Bucket, Entry};
use crate::base::store_archives;
use crate::stages::fetch::source::archive;
use crate::stages::fetch::{ArchiveRecord, Origin, Proof};

/// The facts that an offer claims about an archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed<'a> {
    pub(super) release: Release,
    pub(super) origin: Origin,
    pub(super) url: &'a str,
    pub(super) accept_unverified: bool,
}

/// The entry and the chain of trust as a sentence; `None` for an archive that is accepted without proof.
pub(super) type Checked = (Entry, Option<String>);

/// Checks the archive against its name in the store and against all proofs. An archive that a proof refutes is
/// removed from the store.
pub(super) fn check(
    cx: &Context,
    claimed: Claimed,
    entry: Entry,
    sha256: &str,
    proofs: &[Proof],
) -> Result<Checked, Error> {
    let path = store_archives::archive(entry.path());
    let actual = archive::hash(cx, Stage::Verify, &path)?;
    if actual != sha256 {
        return Err(Error::StoreAltered { path, expected: sha256.to_owned(), actual });
    }
    match chain_of_trust(cx, claimed.url, &path, sha256, proofs) {
        Ok(Some((chain, signer))) => {
            remember(claimed, &entry, &chain, signer)?;
            Ok((entry, Some(chain)))
        }
        Ok(None) if claimed.accept_unverified => Ok((entry, None)),
        Ok(None) => {
            let reason = "it has neither a signature nor a checksum".to_owned();
            Err(Error::Unverified { url: claimed.url.to_owned(), reason })
        }
        Err(Error::Signature { source: SignatureError::NoTrustedSigner { .. }, .. })
            if claimed.accept_unverified =>
        {
            Ok((entry, None))
        }
        Err(error) => {
            let record = store_archives::read_record::<ArchiveRecord>(entry.path());
            let verified_before = record.is_some_and(|record| record.verified_by.is_some());
            let refuted = matches!(error, Error::Signature { .. } | Error::Altered { .. });
            drop(entry);
            if refuted && !verified_before {
                cx.store.remove(Bucket::Tarballs, sha256, &cx.stop)?;
            }
            Err(error)
        }
    }
}

/// The chain of trust as a sentence and the fingerprint of the signer at its top; `None` without any proof.
fn chain_of_trust(
    cx: &Context,
    url: &str,
    path: &Path,
    sha256: &str,
    proofs: &[Proof],
) -> Result<Option<(String, Option<String>)>, Error> {
    let mut chain = Vec::new();
    let mut top = None;
    for proof in proofs {
        match proof {
            Proof::Checksum { sha256: expected, .. } if expected != sha256 => {
                let (expected, actual) = (expected.clone(), sha256.to_owned());
                return Err(Error::Altered { url: url.to_owned(), expected, actual });
            }
            Proof::Checksum { chain: of_checksum, signer, .. } => {
                chain.push(of_checksum.clone());
                top = top.or(signer.clone());
            }
            Proof::Signature { document, certificates } => {
                let signer = check_signature(cx, url, path, document, certificates)?;
                chain.push(format!("the detached signature by {signer} over the uncompressed archive"));
                top = Some(signer.fingerprint);
            }
        }
    }
    Ok((!chain.is_empty()).then(|| (chain.join("; "), top)))
}

fn check_signature(
    cx: &Context,
    url: &str,
    path: &Path,
    document: &[u8],
    certificates: &Certificates,
) -> Result<Signer, Error> {
    let signer = certificates.check_detached(document, || Ok(archive::open(cx, Stage::Verify, path)?));
    signer.map_err(|source| match cx.stop.check() {
        Err(interrupted) => interrupted.into(),
        Ok(()) => Error::Signature { url: url.to_owned(), source },
    })
}

/// Records the result, so that later runs and `--offline` need not decompress the archive again.
fn remember(claimed: Claimed, entry: &Entry, chain: &str, signer: Option<String>) -> Result<(), Error> {
    // A checksum that the user passed is no reason for another run to trust the archive.
    if signer.is_none() && claimed.origin == Origin::Tarball {
        return Ok(());
    }
    let record = ArchiveRecord {
        release: claimed.release,
        origin: claimed.origin,
        url: claimed.url.to_owned(),
        verified_by: Some(chain.to_owned()),
        signer,
    };
    if store_archives::read_record::<ArchiveRecord>(entry.path()).as_ref() != Some(&record) {
        store_archives::write_record(entry.path(), &record)?;
    }
    Ok(())
}
