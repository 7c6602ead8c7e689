//! A local directory: its files and a checksum over them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::{self as fs, File};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::base::context::Context;
use crate::base::digest::hex;
use crate::base::events::{Stage, Unit};

/// A file or symbolic link of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Relative to the directory.
    pub(crate) path: PathBuf,
    pub(crate) kind: ItemKind,
}

/// The kind of an [`Item`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    File { executable: bool },
    Link { target: PathBuf },
}

/// Lists all files and symbolic links except `.git`, sorted by path.
///
/// Sockets, devices and pipes are skipped: they are not part of a source.
pub(crate) fn items(cx: &Context, directory: &Path) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        cx.stop.check()?;
        for entry in fs::read_dir(directory.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type()?;
            if path == Path::new(".git") {
                continue;
            } else if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path())?;
                items.push(Item { path, kind: ItemKind::Link { target } });
            } else if kind.is_file() {
                let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
                items.push(Item { path, kind: ItemKind::File { executable } });
            }
        }
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// SHA-256 over each item: its kind (`f`, `x` for an executable file, `l`), the length of its path, the path,
/// the length of its content or target, and the content or target. Lengths are 64-bit and big-endian.
pub(crate) fn hash(cx: &Context, stage: Stage, directory: &Path) -> Result<String, Error> {
    let items = items(cx, directory)?;
    let total = items.len() as u64;
    let mut hasher = Sha256::new();
    for (done, item) in items.iter().enumerate() {
        cx.stop.check()?;
        let kind = match &item.kind {
            ItemKind::File { executable: false } => b"f",
            ItemKind::File { executable: true } => b"x",
            ItemKind::Link { .. } => b"l",
        };
        hasher.update(kind);
        add(&mut hasher, item.path.as_os_str().as_bytes());
        match &item.kind {
            ItemKind::Link { target } => add(&mut hasher, target.as_os_str().as_bytes()),
            // The largest file of a kernel tree has about 20 megabytes.
            ItemKind::File { .. } => add(&mut hasher, &fs::read(directory.join(&item.path))?),
        }
        cx.events.progress(stage, done as u64 + 1, Some(total), Unit::Files);
    }
    Ok(hex(&hasher.finalize()))
}

fn add(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// Opens a file of the directory. Returns its modification time too, in seconds since the epoch.
pub(crate) fn open(directory: &Path, item: &Item) -> io::Result<(File, i64)> {
    use std::os::unix::fs::MetadataExt;
    let file = File::open(directory.join(&item.path))?;
    let modified = file.metadata()?.mtime();
    Ok((file, modified))
}
