//! Unpack: from a verified source to a pristine source tree in the store, path-safe.

mod archive;
mod error;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::archive::path::{link_stays, relative};
use crate::base::archive::writer::{Failure, Writer};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::base::store::{Entry, Lookup, Room};
use crate::kernel::version::Version;
use crate::stages::fetch::git::Checkout;
use crate::stages::fetch::{Content, stored};
use crate::stages::verify::{VerifiedTarball, folder, repository};

pub use self::error::Error;
pub use crate::base::archive::path::Unsafe;

const RECORD: &str = "meta.json";

/// The store's tree of one release, held exclusively. Patches may still be applied to it from
/// an earlier run; the patch stage puts that right.
#[derive(Debug)]
pub struct SourceTree {
    /// The store's entry: `linux/` with the tree, and beside it the patch stage's journal.
    pub entry: Entry,
    pub release: Release,
    pub key: Key,
    /// When the release was made, seconds since the epoch: the top Makefile's time in the
    /// archive, or the tag's.
    pub made: i64,
    /// The store had it already.
    pub cached: bool,
}

impl SourceTree {
    /// The top folder of the kernel's source.
    pub fn path(&self) -> PathBuf {
        self.entry.path().join("linux")
    }
}

/// `meta.json` of an entry of [`Room::Sources`].
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    release: Release,
    made: i64,
}

/// The number is that of the form in which trees are kept.
pub fn key(source: &Key) -> Key {
    Key::of("unpack", &(1, source))
}

/// When the release of a tree in the store was made; `None` for a tree that is not there.
pub fn made(cx: &Context, key: &Key) -> Option<i64> {
    let text = fs::read(cx.store.path(Room::Sources, key.as_str()).join(RECORD)).ok()?;
    serde_json::from_slice::<Record>(&text).ok().map(|record| record.made)
}

/// Modes are 0755 and 0644 whatever the source has, times are those of the source.
pub fn unpack(cx: &Context, source: &VerifiedTarball) -> Result<SourceTree, Error> {
    let key = key(&source.key);
    let slot = match cx.lookup(Stage::Unpack, Room::Sources, key.as_str())? {
        Lookup::Hit(entry) => {
            let path = entry.path().join(RECORD);
            let record = fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Record>(&text)?));
            let record = record.map_err(|source| Error::Read { path, source })?;
            // The tree's Makefile may be patched by now; the record is of when it was unpacked.
            if record.release != source.release {
                let (url, found) = (source.url.clone(), record.release.into());
                return Err(Error::OtherRelease { url, found, wanted: source.release });
            }
            return Ok(SourceTree { entry, release: source.release, key, made: record.made, cached: true });
        }
        Lookup::Miss(slot) => slot,
    };
    let root = slot.path().join("linux");
    let made = match &source.content {
        Content::Archive { entry, .. } => {
            archive::unpack(cx, &source.url, &stored::archive(entry.path()), &root)?
        }
        Content::Git { checkout, .. } => from_git(cx, &source.url, checkout, &root)?,
        Content::Directory { path } => from_folder(cx, path, &root)?,
    };
    check_release(source, &root)?;
    if let Content::Directory { path } = &source.content {
        check_copy(cx, source, path, &root)?;
    }
    let path = slot.path().join(RECORD);
    let text = serde_json::to_vec_pretty(&Record { release: source.release, made }).expect("plain data");
    fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
    Ok(SourceTree { entry: slot.commit()?, release: source.release, key, made, cached: false })
}

fn check_release(source: &VerifiedTarball, root: &Path) -> Result<(), Error> {
    let url = || source.url.clone();
    let text = fs::read(root.join("Makefile"))
        .map_err(|_| Error::NotAKernel { url: url(), reason: "it has no top Makefile" })?;
    let found = Version::parse(&String::from_utf8_lossy(&text))
        .ok_or_else(|| Error::NotAKernel { url: url(), reason: "its top Makefile names no version" })?;
    if !found.is(&source.release) {
        return Err(Error::OtherRelease { url: url(), found, wanted: source.release });
    }
    Ok(())
}

/// The folder is the user's: it may have changed between verification and the copy.
fn check_copy(cx: &Context, source: &VerifiedTarball, folder: &Path, copy: &Path) -> Result<(), Error> {
    let url = || folder.display().to_string();
    let copied =
        folder::hash(cx, copy).map_err(|error| Error::List { url: url(), source: Box::new(error) })?;
    if copied == source.sha256 { Ok(()) } else { Err(Error::Changed { folder: folder.to_owned() }) }
}

fn from_git(cx: &Context, url: &str, checkout: &Checkout, root: &Path) -> Result<i64, Error> {
    let git = |source| Error::Git { url: url.to_owned(), source };
    let list = |source| Error::List { url: url.to_owned(), source: Box::new(source) };
    let repository = checkout.open().map_err(git)?;
    let made = checkout.time().map_err(git)?;
    let items = repository::items(url, checkout).map_err(list)?;
    let total = items.len() as u64;
    let mut writer = Writer::create(root).map_err(|failure| told(url, root, failure))?;
    for (done, item) in items.iter().enumerate() {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        let shown = PathBuf::from(String::from_utf8_lossy(&item.path).into_owned());
        let path = relative(&item.path).map_err(|reason| told(url, &shown, Failure::Unsafe(reason)))?;
        let written = match item.mode {
            _ if item.is_submodule() => writer.folder(&path),
            0o120_000 => {
                let blob = repository.find_blob(item.object).map_err(git)?;
                let target = link_stays(&path, blob.content()).map_err(Failure::Unsafe);
                target.and_then(|target| writer.link(&path, &target))
            }
            mode => {
                let blob = repository.find_blob(item.object).map_err(git)?;
                writer.file(&path, mode & 0o111 != 0, made, blob.content())
            }
        };
        written.map_err(|failure| told(url, &shown, failure))?;
        cx.events.progress(Stage::Unpack, done as u64 + 1, Some(total), Unit::Files);
    }
    Ok(made)
}

fn from_folder(cx: &Context, folder: &Path, root: &Path) -> Result<i64, Error> {
    let url = folder.display().to_string();
    let list = |source| Error::List { url: url.clone(), source: Box::new(source) };
    let items = folder::items(cx, folder).map_err(list)?;
    let total = items.len() as u64;
    let mut writer = Writer::create(root).map_err(|failure| told(&url, root, failure))?;
    let mut made = 0;
    for (done, item) in items.iter().enumerate() {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        let written = match &item.kind {
            folder::Kind::Link { target } => {
                use std::os::unix::ffi::OsStrExt;
                let target = link_stays(&item.path, target.as_os_str().as_bytes());
                target.map_err(Failure::Unsafe).and_then(|target| writer.link(&item.path, &target))
            }
            folder::Kind::File { executable } => {
                let (file, modified) = open(&folder.join(&item.path))?;
                if item.path == Path::new("Makefile") {
                    made = modified;
                }
                writer.file(&item.path, *executable, modified, file)
            }
        };
        written.map_err(|failure| told(&url, &item.path, failure))?;
        cx.events.progress(Stage::Unpack, done as u64 + 1, Some(total), Unit::Files);
    }
    Ok(made)
}

fn open(path: &Path) -> Result<(File, i64), Error> {
    let read = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let modified = file.metadata().map_err(read)?.mtime();
    Ok((file, modified))
}

fn told(url: &str, entry: &Path, failure: Failure) -> Error {
    match failure {
        Failure::Unsafe(reason) => Error::Unsafe { url: url.to_owned(), entry: entry.to_owned(), reason },
        Failure::Read(source) => Error::Read { path: entry.to_owned(), source },
        Failure::Write(path, source) => Error::Write { path, source },
    }
}

impl StageResult for SourceTree {
    fn cached(&self) -> bool {
        self.cached
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        self.release.to_string()
    }
}
