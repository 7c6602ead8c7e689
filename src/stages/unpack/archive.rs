//! Tar archives: every entry is judged before anything of it is written.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::{Entry, EntryType};

use super::error::Error;
use crate::base::archive::decompress::decompress;
use crate::base::archive::path::{Unsafe, link_stays, relative};
use crate::base::archive::writer::{Failure, Writer};
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};

/// The archive as it is written below one folder.
struct Unpacking<'a> {
    url: &'a str,
    writer: Writer,
    /// The one folder that everything in the archive lies in.
    top: Option<PathBuf>,
    /// Time of the top Makefile, seconds since the epoch.
    made: Option<i64>,
}

/// Unpacks the file into `root`, which is made, without its top folder. Returns the time of
/// the top Makefile in seconds since the epoch.
pub fn unpack(cx: &Context, url: &str, file: &Path, root: &Path) -> Result<i64, Error> {
    let packed = File::open(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    let damaged = |source| Error::Damaged { url: url.to_owned(), source };
    let plain = decompress(packed).map_err(damaged)?;
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(1 << 18, plain));
    let writer = Writer::create(root).map_err(|failure| told(url, root, failure))?;
    let mut unpacking = Unpacking { url, writer, top: None, made: None };
    let mut done = 0;
    for entry in archive.entries().map_err(damaged)? {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        unpacking.add(entry.map_err(damaged)?)?;
        done += 1;
        cx.events.progress(Stage::Unpack, done, None, Unit::Files);
    }
    // A stream may be cut after the last entry; its end marks and checksums follow that.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    unpacking.made.ok_or(Error::NotAKernel { url: url.to_owned(), reason: "it has no top Makefile" })
}

fn told(url: &str, entry: &Path, failure: Failure) -> Error {
    match failure {
        Failure::Unsafe(reason) => Error::Unsafe { url: url.to_owned(), entry: entry.to_owned(), reason },
        Failure::Read(source) => Error::Damaged { url: url.to_owned(), source },
        Failure::Write(path, source) => Error::Write { path, source },
    }
}

impl Unpacking<'_> {
    fn add<R: Read>(&mut self, entry: Entry<'_, R>) -> Result<(), Error> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            // git archive puts the commit's name there.
            return Ok(());
        }
        let shown = PathBuf::from(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        let url = self.url.to_owned();
        let refuse = |reason| Error::Unsafe { url: url.clone(), entry: shown.clone(), reason };
        let path = relative(&entry.path_bytes()).map_err(refuse)?;
        let damaged = |source| Error::Damaged { url: url.clone(), source };
        let mode = entry.header().mode().map_err(damaged)?;
        if mode & 0o6000 != 0 {
            return Err(refuse(Unsafe::SetId));
        }
        let below = self.below_top(&path, kind)?;
        let modified = entry.header().mtime().map_err(damaged)? as i64;
        self.write(entry, kind, &below, mode & 0o111 != 0, modified)
            .map_err(|failure| told(self.url, &shown, failure))?;
        if below == Path::new("Makefile") {
            self.made = Some(modified);
        }
        Ok(())
    }

    /// The path without the top folder; empty for that folder itself.
    fn below_top(&mut self, path: &Path, kind: EntryType) -> Result<PathBuf, Error> {
        let first: PathBuf = path.components().take(1).collect();
        let top = self.top.get_or_insert_with(|| first.clone());
        let is_in_folder = path != first || kind == EntryType::Directory;
        match path.strip_prefix(&top) {
            Ok(below) if is_in_folder => Ok(below.to_owned()),
            _ => Err(Error::SeveralFolders {
                url: self.url.to_owned(),
                top: top.clone(),
                entry: path.to_owned(),
            }),
        }
    }

    fn write<R: Read>(
        &mut self,
        entry: Entry<'_, R>,
        kind: EntryType,
        below: &Path,
        executable: bool,
        modified: i64,
    ) -> Result<(), Failure> {
        match kind {
            EntryType::Directory => self.writer.folder(below),
            EntryType::Regular | EntryType::Continuous => {
                self.writer.file(below, executable, modified, entry)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = link_stays(below, &target).map_err(Failure::Unsafe)?;
                self.writer.link(below, &target)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let original = self.original(&target).map_err(Failure::Unsafe)?;
                self.writer.copy(below, &original, modified)
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => Err(Failure::Unsafe(Unsafe::Device)),
            other => Err(Failure::Unsafe(Unsafe::OtherKind { kind: format!("{other:?}") })),
        }
    }

    /// A hard link names its original from the archive's root.
    fn original(&self, target: &[u8]) -> Result<PathBuf, Unsafe> {
        let leaves = |target: &[u8]| Unsafe::LinkLeavesTree {
            target: PathBuf::from(String::from_utf8_lossy(target).into_owned()),
        };
        let path = relative(target).map_err(|_| leaves(target))?;
        let top = self.top.as_deref().unwrap_or(Path::new(""));
        path.strip_prefix(top).map(Path::to_owned).map_err(|_| leaves(target))
    }
}
