//! The documents next to the packages, with which others can check content and origin of the packages;
//! and the check itself, `kpatch-build verify`.
//!
//! - `SBOM`: a bill of materials in SPDX 2.3 (`spdx/`);
//! - `PROVENANCE`: SLSA provenance in an in-toto statement (`provenance.rs`);
//! - `SUMS`: SHA-256 of the packages, of both documents and of `report.json` (`sums.rs`);
//! - with `--openpgp-key`, a detached signature `*.asc` of each of the three.
//!
//! The first two contain neither time nor place of the run: the same plan produces the same bytes.
//! The checksums are written last, because they cover the finished report.

mod check;
mod digests;
mod error;
mod facts;
mod provenance;
mod spdx;
mod sums;

use std::path::{Path, PathBuf};

pub use self::check::{Verification, check, keyring};
pub use self::error::Error;
pub(crate) use self::facts::Facts;
use crate::base::digest::sha256;
use crate::base::files;
use crate::base::openpgp::sign::{KeyFile, SigningKey};
use crate::kernel::KernelPlan;
use crate::report::{Document, DocumentKind, Report};

/// Name of the file with the checksums.
const SUMS: &str = "SHA256SUMS";
/// Name of the bill of materials.
const SBOM: &str = "sbom.spdx.json";
/// Name of the provenance.
const PROVENANCE: &str = "provenance.intoto.json";
/// Suffix of a signature's name.
const SIGNATURE: &str = ".asc";

/// Writes bill of materials and provenance into the output directory; with an OpenPGP key in the plan, also their
/// signatures. Returns the written files.
///
/// # Errors
/// A file cannot be written, the key cannot sign, or the timestamp is out of range.
pub(crate) fn describe(facts: &Facts) -> Result<Vec<Document>, Error> {
    let KernelPlan { keys, out, .. } = facts.plan;
    let key = keys.openpgp.as_ref().map(KeyFile::load).transpose()?;
    let mut written = Vec::new();
    for (name, kind, text) in [
        (SBOM, DocumentKind::BillOfMaterials, spdx::document(facts)?),
        (PROVENANCE, DocumentKind::Provenance, provenance::statement(facts)),
    ] {
        let path = out.join(name);
        written.push(write(&path, kind, text.as_bytes())?);
        written.extend(sign(&path, text.as_bytes(), key.as_ref(), facts.timestamp())?);
    }
    Ok(written)
}

/// Adds the checksums to a finished report, writes the report to `path`, and next to it the checksums
/// of the report and of every file that it names; with an OpenPGP key in the plan, also their signature.
///
/// # Errors
/// A file cannot be written, or the key cannot sign.
pub(crate) fn seal(report: &mut Report, path: &Path, plan: &KernelPlan) -> Result<(), Error> {
    let key = plan.keys.openpgp.as_ref().map(KeyFile::load).transpose()?;
    let timestamp = report.kernel.as_ref().and_then(|kernel| kernel.timestamp).unwrap_or(0);
    let sums_path = path.with_file_name(SUMS);
    let unhashed = |path: &Path, kind| Document { path: path.to_owned(), kind, sha256: None };
    report.evidence.push(unhashed(&sums_path, DocumentKind::Checksums));
    if key.is_some() {
        report.evidence.push(unhashed(&signature_of(&sums_path), DocumentKind::Signature));
    }
    let mut sums = sums::Sums::default();
    sums.add(path, &sha256(report.write(path)?));
    for artifact in &report.artifacts {
        sums.add(&artifact.path, &artifact.sha256);
    }
    for document in &report.evidence {
        if let Some(sha256) = &document.sha256 {
            sums.add(&document.path, sha256);
        }
    }
    let text = sums.to_string();
    write(&sums_path, DocumentKind::Checksums, text.as_bytes())?;
    sign(&sums_path, text.as_bytes(), key.as_ref(), timestamp)?;
    Ok(())
}

fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE);
    name.into()
}

fn write(path: &Path, kind: DocumentKind, content: &[u8]) -> Result<Document, Error> {
    files::replace(path, content)?;
    Ok(Document { path: path.to_owned(), kind, sha256: Some(sha256(content)) })
}

/// Signs the file `path`. Without a key, removes the signature of an earlier run, which no longer
/// matches.
fn sign(
    path: &Path,
    content: &[u8],
    key: Option<&SigningKey>,
    timestamp: i64,
) -> Result<Option<Document>, Error> {
    let path = signature_of(path);
    let Some(key) = key else {
        files::remove_if_exists(&path)?;
        return Ok(None);
    };
    let signature = key.detached(content, timestamp)?;
    write(&path, DocumentKind::Signature, signature.as_bytes()).map(Some)
}
