//! Tar archives: every entry is checked before anything of it is written.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fs_err::File;
use tar::{Entry, EntryType};

use super::error::Error;
use crate::base::archive::decompress::decompress;
use crate::base::archive::path::{Unsafe, link_target, relative};
use crate::base::archive::tar_limits::LimitedTar;
use crate::base::archive::writer::{EntryError, Writer};
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::base::interruptible::StopReader;

/// An archive whose entries are being written.
struct Unpacking<'a> {
    url: &'a str,
    writer: Writer,
    /// The single top directory, from the first entry on.
    top: Option<PathBuf>,
    /// Time of the top Makefile, in seconds since the epoch.
    released_at: Option<i64>,
}

/// Unpacks the file into `root`, which must not exist, without the archive's top directory.
///
/// Returns the time of the top Makefile in seconds since the epoch.
pub(crate) fn unpack(cx: &Context, url: &str, file: &Path, root: &Path) -> Result<i64, Error> {
    let unpacked = unpack_all(cx, url, file, root);
    // A stop request ends the reading with an error of no meaning.
    cx.stop.check()?;
    unpacked
}

fn unpack_all(cx: &Context, url: &str, file: &Path, root: &Path) -> Result<i64, Error> {
    let packed = File::open(file)?;
    let damaged = |source| Error::Damaged { url: url.to_owned(), source };
    let not_a_tar = |reason: String| Error::NotATar { url: url.to_owned(), reason };
    let plain = decompress(packed).map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => not_a_tar(error.to_string()),
        _ => damaged(error),
    })?;
    let plain = StopReader::new(io::BufReader::with_capacity(1 << 18, plain), &cx.stop);
    let plain = LimitedTar::new(plain);
    let mut archive = tar::Archive::new(plain);
    let writer = Writer::create(root).map_err(|error| Error::at(url, root, error))?;
    let mut unpacking = Unpacking { url, writer, top: None, released_at: None };
    let mut done = 0;
    for entry in archive.entries().map_err(damaged)? {
        cx.stop.check()?;
        let entry = entry.map_err(|error| match done == 0 && error.kind() == io::ErrorKind::Other {
            // The crate's own message quotes bytes of the file.
            true => {
                not_a_tar("it is not a tar archive, or its compression is not xz, gzip or zstd".to_owned())
            }
            false => damaged(error),
        })?;
        unpacking.add(entry)?;
        done += 1;
        cx.events.progress(Stage::Unpack, done, None, Unit::Files);
    }
    // The stream may be truncated after the last entry: its end mark and checksum come later.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    unpacking.released_at.ok_or(Error::NotAKernel { url: url.to_owned(), reason: "it has no top Makefile" })
}

impl Unpacking<'_> {
    fn add<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), Error> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            // git archive records the commit in one.
            return Ok(());
        }
        let shown = PathBuf::from(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        let url = self.url.to_owned();
        let refuse = |reason| Error::Unsafe { url: url.clone(), entry: shown.clone(), reason };
        let path = relative(&entry.path_bytes()).map_err(refuse)?;
        let damaged = |source| Error::Damaged { url: url.clone(), source };
        if is_sparse(&mut entry).map_err(damaged)? {
            return Err(refuse(Unsafe::OtherKind { kind: "sparse file".to_owned() }));
        }
        let mode = entry.header().mode().map_err(damaged)?;
        // On a directory, set-group-ID only means that new files inherit the group.
        if mode & 0o6000 != 0 && kind != EntryType::Directory {
            return Err(refuse(Unsafe::SetId));
        }
        let below = self.below_top(&path, kind)?;
        let modified = entry.header().mtime().map_err(damaged)? as i64;
        self.write(entry, kind, &below, mode & 0o111 != 0, modified)
            .map_err(|error| Error::at(self.url, &shown, error))?;
        if below == Path::new("Makefile") {
            self.released_at = Some(modified);
        }
        Ok(())
    }

    /// The path without the top directory; empty for that directory itself.
    fn below_top(&mut self, path: &Path, kind: EntryType) -> Result<PathBuf, Error> {
        let first: PathBuf = path.components().take(1).collect();
        let top = self.top.get_or_insert_with(|| first.clone());
        let has_top = path != first || kind == EntryType::Directory;
        match path.strip_prefix(&top) {
            Ok(below) if has_top => Ok(below.to_owned()),
            _ => {
                Err(Error::SeveralTops { url: self.url.to_owned(), top: top.clone(), entry: path.to_owned() })
            }
        }
    }

    fn write<R: Read>(
        &mut self,
        entry: Entry<'_, R>,
        kind: EntryType,
        below: &Path,
        executable: bool,
        modified: i64,
    ) -> Result<(), EntryError> {
        match kind {
            EntryType::Directory => self.writer.directory(below),
            EntryType::Regular | EntryType::Continuous => {
                self.writer.file(below, executable, modified, entry)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = link_target(below, &target).map_err(EntryError::Unsafe)?;
                self.writer.link(below, &target)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let original = self.original(&target).map_err(EntryError::Unsafe)?;
                self.writer.copy(below, &original, modified)
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => Err(EntryError::Unsafe(Unsafe::Device)),
            other => Err(EntryError::Unsafe(Unsafe::OtherKind { kind: format!("{other:?}") })),
        }
    }

    /// The original of a hard link, which names it from the root of the archive.
    fn original(&self, target: &[u8]) -> Result<PathBuf, Unsafe> {
        let leaves = |target: &[u8]| Unsafe::LinkLeavesTree {
            target: PathBuf::from(String::from_utf8_lossy(target).into_owned()),
        };
        let path = relative(target).map_err(|_| leaves(target))?;
        let top = self.top.as_deref().unwrap_or(Path::new(""));
        path.strip_prefix(top).map(Path::to_owned).map_err(|_| leaves(target))
    }
}

/// Whether GNU tar stored a sparse file in the pax format, whose content begins with a list of its parts.
fn is_sparse<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}
