//! Copies the tree of a git commit.

use std::path::{Path, PathBuf};

use super::error::Error;
use crate::base::archive::path::{link_target, relative};
use crate::base::archive::writer::{EntryError, Writer};
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::stages::fetch::source::git_tree::{Revision, items};

/// Copies the tree to `root`, which must not exist. Submodules become empty directories.
///
/// Returns the time of the tag, else of the commit, in seconds since the epoch.
pub(super) fn unpack(cx: &Context, url: &str, revision: &Revision, root: &Path) -> Result<i64, Error> {
    let git = |source| Error::Git { url: url.to_owned(), source };
    let repository = revision.open().map_err(git)?;
    let released_at = revision.time().map_err(git)?;
    let items = items(url, revision)?;
    let total = items.len() as u64;
    let mut writer = Writer::create(root).map_err(|error| Error::at(url, root, error))?;
    for (done, item) in items.iter().enumerate() {
        cx.stop.check()?;
        let shown = PathBuf::from(String::from_utf8_lossy(&item.path).into_owned());
        let at_item = |error| Error::at(url, &shown, error);
        let path = relative(&item.path).map_err(|reason| at_item(EntryError::Unsafe(reason)))?;
        let written = match item.mode {
            _ if item.is_submodule() => writer.directory(&path),
            0o120_000 => {
                let blob = repository.find_blob(item.object).map_err(git)?;
                let target = link_target(&path, blob.content()).map_err(EntryError::Unsafe);
                target.and_then(|target| writer.link(&path, &target))
            }
            mode => {
                let blob = repository.find_blob(item.object).map_err(git)?;
                writer.file(&path, mode & 0o111 != 0, released_at, blob.content())
            }
        };
        written.map_err(at_item)?;
        cx.events.progress(Stage::Unpack, done as u64 + 1, Some(total), Unit::Files);
    }
    Ok(released_at)
}
