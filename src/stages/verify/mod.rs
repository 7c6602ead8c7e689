//! Verify: nothing reads a source before it is known to be what its makers published.

mod archive;
mod error;
pub mod folder;
pub mod repository;

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::stages::fetch::{Content, Origin, Tarball};

pub use self::error::Error;

/// A source that may be unpacked.
#[derive(Debug)]
pub struct VerifiedTarball {
    pub release: Release,
    pub origin: Origin,
    /// Address or path that it came from.
    pub url: String,
    /// Of the archive; for git of the listing of the commit's tree ([`repository`]); for a
    /// directory of its files ([`folder`]).
    pub sha256: String,
    /// The chain of trust in words; `None` only with `--no-verify`.
    pub verified_by: Option<String>,
    /// Names the content, whatever its origin.
    pub key: Key,
    /// Where `unpack` reads it.
    pub content: Content,
}

/// Checks the content against all evidence. An archive is hashed on every run: a store can rot.
pub fn verify(cx: &Context, tarball: Tarball) -> Result<VerifiedTarball, Error> {
    let url = tarball.url.clone();
    let (content, sha256, verified_by) = match tarball.content {
        Content::Archive { entry, sha256 } => {
            let source = archive::Source {
                release: tarball.release,
                origin: tarball.origin,
                url: &url,
                accept_unverified: tarball.accept_unverified,
            };
            let checked = archive::check(cx, source, entry, &sha256, &tarball.evidence)?;
            (Content::Archive { entry: checked.entry, sha256: sha256.clone() }, sha256, checked.verified_by)
        }
        Content::Git { checkout, certificates } => {
            let verified_by = repository::check(
                &url,
                &checkout,
                &certificates,
                &tarball.release,
                tarball.accept_unverified,
            )?;
            let sha256 = repository::hash(cx, &url, &checkout)?;
            (Content::Git { checkout, certificates }, sha256, verified_by)
        }
        Content::Directory { path } => {
            let sha256 = folder::hash(cx, &path)?;
            (Content::Directory { path }, sha256, Some("nobody: a folder of the user's own".to_owned()))
        }
    };
    let key = Key::from_sha256(&sha256);
    Ok(VerifiedTarball {
        release: tarball.release,
        origin: tarball.origin,
        url,
        sha256,
        verified_by,
        key,
        content,
    })
}

impl StageResult for VerifiedTarball {
    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        match &self.verified_by {
            Some(chain) => chain.clone(),
            None => "NOT VERIFIED, as --no-verify asked".into(),
        }
    }
}
