//! Verify: checks that a source is the one that its publisher released, before any stage reads its content.

mod archive;
mod error;
mod git_tree;

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::stages::fetch::source;
use crate::stages::fetch::{Content, FetchedSource, Origin};

pub use self::error::Error;

/// A source that may be unpacked.
#[derive(Debug)]
pub struct VerifiedSource {
    /// The release that the source promises.
    pub release: Release,
    /// The kind of the source.
    pub origin: Origin,
    /// Address or path that the source came from.
    pub url: String,
    /// SHA-256 as 64 hexadecimal digits: of the archive, of the listing of the commit's tree
    /// ([`source::git_tree`]), or of the directory's files ([`source::directory`]).
    pub sha256: String,
    /// The chain of trust as a sentence; `None` only with `--no-verify`.
    pub verified_by: Option<String>,
    /// What weakens the chain.
    pub caveat: Option<String>,
    /// Names the content, whatever its origin.
    pub key: Key,
    /// The content to unpack.
    pub content: Content,
}

impl StageResult for VerifiedSource {
    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        match &self.verified_by {
            Some(chain) => chain.clone(),
            None => "NOT VERIFIED (--no-verify)".into(),
        }
    }
}

/// Checks the content against all proofs.
///
/// An archive is hashed in every run: the bytes of a store can decay.
///
/// # Errors
/// A proof fails ([`Error::Altered`], [`Error::Signature`], [`Error::OtherTag`]), or there is none
/// ([`Error::Unverified`]).
pub fn verify(cx: &Context, fetched: FetchedSource) -> Result<VerifiedSource, Error> {
    let FetchedSource { origin, release, url, content, proofs, accept_unverified, caveat, .. } = fetched;
    let (content, sha256, verified_by) = match content {
        Content::Archive { entry, sha256 } => {
            let claimed = archive::Claimed { release, origin, url: &url, accept_unverified };
            let (entry, verified_by) = archive::check(cx, claimed, entry, &sha256, &proofs)?;
            (Content::Archive { entry, sha256: sha256.clone() }, sha256, verified_by)
        }
        Content::Git { revision, certificates } => {
            let verified_by = git_tree::check(&url, &revision, &certificates, &release, accept_unverified)?;
            let sha256 = source::git_tree::hash(cx, &url, &revision)?;
            (Content::Git { revision, certificates }, sha256, verified_by)
        }
        Content::Directory(directory) => {
            for note in directory.notes(cx)? {
                cx.events.note(Stage::Verify, note);
            }
            let sha256 = directory.hash(cx, Stage::Verify)?;
            // A published value of report.json.
            (Content::Directory(directory), sha256, Some("nobody: a folder of the user's own".to_owned()))
        }
    };
    let key = Key::from_sha256(&sha256);
    Ok(VerifiedSource { release, origin, url, sha256, verified_by, caveat, key, content })
}
