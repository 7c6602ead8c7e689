//! Copies the user's directory.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::Error;
use crate::base::archive::path::link_target;
use crate::base::archive::writer::{EntryError, Writer};
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::stages::fetch::source::directory::{Directory, ItemKind, open};

/// Copies the directory to `root`, which must not exist, as [`Directory::content`] lists it.
///
/// Returns the time of the top Makefile in seconds since the epoch.
pub(super) fn unpack(cx: &Context, directory: &Directory, root: &Path) -> Result<i64, Error> {
    let url = directory.path.display().to_string();
    let items = directory.content(cx)?.items;
    let total = items.len() as u64;
    let mut writer = Writer::create(root).map_err(|error| Error::at(&url, root, error))?;
    let mut released_at = 0;
    for (done, item) in items.iter().enumerate() {
        cx.stop.check()?;
        let written = match &item.kind {
            ItemKind::Link { target } => {
                let target = link_target(&item.path, target.as_os_str().as_bytes());
                target.map_err(EntryError::Unsafe).and_then(|target| writer.link(&item.path, &target))
            }
            ItemKind::File { executable } => {
                let (file, modified) = open(&directory.path, item)?;
                if item.path == Path::new("Makefile") {
                    released_at = modified;
                }
                writer.file(&item.path, *executable, modified, file)
            }
        };
        written.map_err(|error| match error {
            EntryError::Read(source) => Error::Io(source),
            error => Error::at(&url, &item.path, error),
        })?;
        cx.events.progress(Stage::Unpack, done as u64 + 1, Some(total), Unit::Files);
    }
    Ok(released_at)
}

/// Compares the copy with the verified checksum: the directory may have changed in between.
pub(super) fn check_copy(cx: &Context, sha256: &str, directory: &Path, copy: &Path) -> Result<(), Error> {
    let copied = Directory::whole(copy).hash(cx, Stage::Unpack)?;
    if copied == sha256 { Ok(()) } else { Err(Error::Changed { directory: directory.to_owned() }) }
}
