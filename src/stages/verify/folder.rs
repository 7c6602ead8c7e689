//! A folder of the user's own: what is in it, and a checksum over that.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::Error;
use crate::base::cache_key::hex;
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};

/// A file or link of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Below the folder.
    pub path: PathBuf,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File { executable: bool },
    Link { target: PathBuf },
}

/// Everything but `.git`, sorted by path. Sockets, devices and the like are passed over: they
/// are no part of a source.
pub fn items(cx: &Context, folder: &Path) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        let dir = folder.join(&below);
        let read = |source| Error::Read { path: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(read)? {
            let entry = entry.map_err(read)?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type().map_err(read)?;
            if path == Path::new(".git") {
                continue;
            } else if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(entry.path()).map_err(read)?;
                items.push(Item { path, kind: Kind::Link { target } });
            } else if kind.is_file() {
                let executable = entry.metadata().map_err(read)?.permissions().mode() & 0o111 != 0;
                items.push(Item { path, kind: Kind::File { executable } });
            }
        }
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// SHA-256 over each item: its kind (`f`, `x` or `l`), the length of its path and the path,
/// the length of its content or target and that.
pub fn hash(cx: &Context, folder: &Path) -> Result<String, Error> {
    let items = items(cx, folder)?;
    let total = items.len() as u64;
    let mut hasher = Sha256::new();
    for (done, item) in items.iter().enumerate() {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        let kind = match &item.kind {
            Kind::File { executable: false } => b"f",
            Kind::File { executable: true } => b"x",
            Kind::Link { .. } => b"l",
        };
        hasher.update(kind);
        add(&mut hasher, item.path.as_os_str().as_bytes());
        match &item.kind {
            Kind::Link { target } => add(&mut hasher, target.as_os_str().as_bytes()),
            Kind::File { .. } => add(&mut hasher, &content(&folder.join(&item.path))?),
        }
        cx.events.progress(Stage::Verify, done as u64 + 1, Some(total), Unit::Files);
    }
    Ok(hex(&hasher.finalize()))
}

fn add(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// The largest file of a kernel tree has some 20 megabytes.
fn content(path: &Path) -> Result<Vec<u8>, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(read)?.read_to_end(&mut bytes).map_err(read)?;
    Ok(bytes)
}
