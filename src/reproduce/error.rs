//! Why there is nothing to compare.

use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::store;
use crate::base::x509::Identity;
use crate::pipeline::request;
use crate::report::ReadError;
use crate::stages::fetch::SourceSpecError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Request(#[from] request::Error),
    #[error(transparent)]
    Source(#[from] SourceSpecError),
    #[error("{} names no packages to compare with", report.display())]
    NoPackages { report: PathBuf },
    #[error("{} is the folder of the report itself, whose packages would be overwritten", out.display())]
    SameFolder { out: PathBuf },
    #[error("the folder {} has a space or a colon in its path, which the kernel's own build refuses", out.display())]
    OutPath { out: PathBuf },
    #[error("the kernel is signed for Secure Boot, and without its key no build gives the same packages")]
    Signed { recorded: Identity },
    #[error("the recorded kernel is not signed")]
    NotSigned,
    #[error("the certificate is not the one that the kernel is signed with")]
    OtherSigner { recorded: Identity, given: Identity },
    #[error("the source is not the recorded one")]
    OtherSource { recorded: String, found: String },
    #[error("the patches are not the recorded ones")]
    OtherPatches { differences: Vec<String> },
    #[error("cannot determine the current directory")]
    CurrentDirectory(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("cannot remove {}", path.display())]
    Remove { path: PathBuf, source: std::io::Error },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Store(_) | Error::Remove { .. } => Exit::StageFailed,
            Error::OtherSource { .. } | Error::OtherPatches { .. } => Exit::StageFailed,
            _ => Exit::Usage,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::OtherSource { recorded, found } => {
                vec![format!("recorded: {recorded}"), format!("found: {found}")]
            }
            Error::OtherPatches { differences } => differences.clone(),
            Error::Signed { recorded } => vec![format!("signed by: {recorded}")],
            Error::OtherSigner { recorded, given } => {
                vec![format!("signed by: {recorded}"), format!("given: {given}")]
            }
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::SameFolder { .. } | Error::OutPath { .. } => Some("name another folder with --out".into()),
            Error::Signed { .. } | Error::OtherSigner { .. } => {
                Some("name its key and certificate with --secure-boot-key and --secure-boot-cert".into())
            }
            Error::NotSigned => Some("leave out --secure-boot-key and --secure-boot-cert".into()),
            Error::OtherSource { .. } => Some("name where the recorded one is with --source".into()),
            Error::OtherPatches { .. } => {
                Some("use the version of this tool, or the folder of patches, that the report is of".into())
            }
            _ => None,
        }
    }
}
