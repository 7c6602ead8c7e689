//! Evidence: what lies beside the packages so that others can check what they are and where they
//! come from, and the check itself.
//!
//! - [`SBOM`]: a bill of materials in SPDX 2.3 ([`spdx`]);
//! - [`PROVENANCE`]: an in-toto statement with SLSA provenance ([`provenance`]);
//! - [`SUMS`]: SHA-256 of the packages, of both of these and of `report.json` ([`sums`]);
//! - with `--openpgp-key` a detached OpenPGP signature `*.asc` of each of the three.
//!
//! The first two say nothing of when and where a run took place: the same plan gives the same
//! bytes. The sums are written when the run has come to its end, since they hold the report's.

mod check;
mod error;
mod facts;
mod provenance;
mod spdx;
mod sums;
mod told;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::base::cache_key::hex;
use crate::base::openpgp::sign::SigningKey;
use crate::report::{Document, DocumentKind, Report};

pub use check::{Verdict, check, keyring};
pub use error::Error;
pub use facts::Facts;

pub const SUMS: &str = "SHA256SUMS";
pub const SBOM: &str = "sbom.spdx.json";
pub const PROVENANCE: &str = "provenance.intoto.json";
/// What the name of a signature ends with.
pub const SIGNATURE: &str = ".asc";

/// Writes bill of materials and provenance into `out`, and their signatures where there is a key.
pub fn describe(facts: &Facts, key: Option<&SigningKey>, out: &Path) -> Result<Vec<Document>, Error> {
    let mut written = Vec::new();
    for (name, kind, text) in [
        (SBOM, DocumentKind::BillOfMaterials, spdx::document(facts)?),
        (PROVENANCE, DocumentKind::Provenance, provenance::statement(facts)),
    ] {
        let path = out.join(name);
        written.push(write(&path, kind, text.as_bytes())?);
        written.extend(sign(&path, text.as_bytes(), key, facts.made())?);
    }
    Ok(written)
}

/// Writes the sums of everything that the finished report names and of the report itself, and signs
/// them where there is a key. The report is written once more before, since it names them.
pub fn seal(report: &mut Report, key: Option<&SigningKey>) -> Result<(), Error> {
    let made = report.kernel.as_ref().and_then(|kernel| kernel.timestamp).unwrap_or(0);
    let out = report.path().parent().unwrap_or(Path::new("")).to_owned();
    let path = out.join(SUMS);
    report.evidence.push(Document { path: path.clone(), kind: DocumentKind::Checksums, sha256: None });
    if key.is_some() {
        report.evidence.push(Document {
            path: signature_of(&path),
            kind: DocumentKind::Signature,
            sha256: None,
        });
    }
    let text = report.write().map_err(Error::Report)?;
    let mut sums = sums::Sums::default();
    sums.add(report.path(), &hex(&Sha256::digest(text)));
    for artifact in report.artifacts() {
        sums.add(&artifact.path, &artifact.sha256);
    }
    for document in &report.evidence {
        if let Some(sha256) = &document.sha256 {
            sums.add(&document.path, sha256);
        }
    }
    let text = sums.to_string();
    write(&path, DocumentKind::Checksums, text.as_bytes())?;
    sign(&path, text.as_bytes(), key, made)?;
    Ok(())
}

fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE);
    name.into()
}

fn write(path: &Path, kind: DocumentKind, text: &[u8]) -> Result<Document, Error> {
    crate::base::files::replace(path, text)
        .map_err(|source| Error::Write { path: path.to_owned(), source })?;
    Ok(Document { path: path.to_owned(), kind, sha256: Some(hex(&Sha256::digest(text))) })
}

/// Without a key, removes the signature that an earlier run left: it would not fit.
fn sign(path: &Path, text: &[u8], key: Option<&SigningKey>, made: i64) -> Result<Option<Document>, Error> {
    let path = signature_of(path);
    let Some(key) = key else {
        return match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Write { path, source })
            }
            _ => Ok(None),
        };
    };
    let signature = key.detached(text, made).map_err(Error::Sign)?;
    write(&path, DocumentKind::Signature, signature.as_bytes()).map(Some)
}
