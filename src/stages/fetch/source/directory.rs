//! A local directory: its files and a checksum over them.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::{self as fs, File};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::base::archive::path::link_target;
use crate::base::context::Context;
use crate::base::digest::hex;
use crate::base::events::{Stage, Unit};

/// A source tree of the user's own, and what is left out of its copy.
///
/// `.git` is left out as well, and so are symbolic links that are absolute or lead out of the tree: quilt's `patches`,
/// the `source` and `build` of an earlier build. Nothing follows them.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Absolute.
    pub path: PathBuf,
    /// Directories that the run itself writes to, relative to `path`.
    pub left_out: Vec<PathBuf>,
}

/// The parts of a directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sorted by path.
    pub(crate) items: Vec<Item>,
    /// Symbolic links that lead out of the directory, sorted.
    pub(crate) escaping: Vec<PathBuf>,
}

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

impl Directory {
    /// A directory of which nothing but `.git` and escaping links is left out.
    pub(crate) fn whole(path: &Path) -> Directory {
        Directory { path: path.to_owned(), left_out: Vec::new() }
    }

    /// Lists files and symbolic links.
    ///
    /// Sockets, devices and pipes are skipped: they are not part of a source.
    pub(crate) fn content(&self, cx: &Context) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut pending = vec![PathBuf::new()];
        while let Some(below) = pending.pop() {
            cx.stop.check()?;
            for entry in fs::read_dir(self.path.join(&below))? {
                let entry = entry?;
                let path = below.join(entry.file_name());
                let kind = entry.file_type()?;
                if path == Path::new(".git") || self.left_out.contains(&path) {
                    continue;
                } else if kind.is_dir() {
                    pending.push(path);
                } else if kind.is_symlink() {
                    let target = fs::read_link(entry.path())?;
                    match link_target(&path, target.as_os_str().as_bytes()) {
                        Ok(target) => listing.items.push(Item { path, kind: ItemKind::Link { target } }),
                        Err(_) => listing.escaping.push(path),
                    }
                } else if kind.is_file() {
                    let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
                    listing.items.push(Item { path, kind: ItemKind::File { executable } });
                }
            }
        }
        listing.items.sort_by(|a, b| a.path.cmp(&b.path));
        listing.escaping.sort();
        Ok(listing)
    }

    /// Sentences about what is left out, for the user.
    pub(crate) fn notes(&self, cx: &Context) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        if !self.left_out.is_empty() {
            notes.push(format!("copied without {}, which this run writes to", names(&self.left_out)));
        }
        let escaping = self.content(cx)?.escaping;
        if !escaping.is_empty() {
            let names = names(&escaping);
            notes.push(format!("copied without the symbolic links that leave the directory: {names}"));
        }
        Ok(notes)
    }

    /// SHA-256 over each item: its kind (`f`, `x` for an executable file, `l`), the length of its path, the path,
    /// the length of its content or target, and the content or target. Lengths are 64-bit and big-endian.
    pub(crate) fn hash(&self, cx: &Context, stage: Stage) -> Result<String, Error> {
        let items = self.content(cx)?.items;
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
                ItemKind::File { .. } => add_file(&mut hasher, &self.path.join(&item.path), cx)?,
            }
            cx.events.progress(stage, done as u64 + 1, Some(total), Unit::Files);
        }
        Ok(hex(&hasher.finalize()))
    }
}

/// The paths for a sentence, a few of them by name.
fn names(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    match paths.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn add(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// Adds a file by parts: the directory may contain the vmlinux of an earlier build.
fn add_file(hasher: &mut Sha256, path: &Path, cx: &Context) -> Result<(), Error> {
    let mut file = File::open(path)?;
    hasher.update(file.metadata()?.len().to_be_bytes());
    let mut buffer = vec![0; 1 << 16];
    loop {
        cx.stop.check()?;
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Opens a file of the directory. Returns its modification time too, in seconds since the epoch.
pub(crate) fn open(directory: &Path, item: &Item) -> io::Result<(File, i64)> {
    use std::os::unix::fs::MetadataExt;
    let file = File::open(directory.join(&item.path))?;
    let modified = file.metadata()?.mtime();
    Ok((file, modified))
}
