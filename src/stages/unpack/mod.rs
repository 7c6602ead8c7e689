//! Unpack: from a verified source to a pristine source tree in the store.

pub(crate) mod archive;
mod directory;
mod error;
mod git_tree;

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::files;
use crate::base::manifest::{Depth, Manifest};
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::base::store::{Bucket, Entry, Lookup, Slot};
use crate::base::store_archives;
use crate::kernel::tree_journal::TreeJournal;
use crate::kernel::version::Version;
use crate::stages::fetch::Content;
use crate::stages::verify::VerifiedSource;

pub use self::error::Error;

const RECORD: &str = "meta.json";
const MANIFEST: &str = "manifest.json";
/// Version of the form in which trees are stored; part of their key.
const FORM: u32 = 1;

/// The store's tree of one release, held exclusively.
///
/// Patches of an earlier run may still be applied to it; the patch stage handles them.
#[derive(Debug)]
pub struct SourceTree {
    /// The store's entry: the tree in `linux/`, and the journal of the patch stage.
    pub entry: Entry,
    /// The release that the tree contains.
    pub release: Release,
    /// The key of the unpack stage.
    pub key: Key,
    /// Time of the release in seconds since the epoch: of the top Makefile in the archive, or of the tag.
    pub released_at: i64,
    /// Whether the store already had the tree.
    pub cached: bool,
    /// How thoroughly this run has checked the tree.
    pub checked: TreeCheck,
}

impl SourceTree {
    /// The top directory of the kernel's source.
    pub fn path(&self) -> PathBuf {
        self.entry.path().join("linux")
    }

    /// Checks the content of every file that no series touches, unless the unpack stage has checked the tree.
    ///
    /// # Errors
    /// The tree is damaged, and the next run unpacks it again; a file cannot be read, or a stop is requested.
    pub fn require_check(&self, cx: &Context) -> Result<(), Error> {
        if self.checked != TreeCheck::Nothing {
            return Ok(());
        }
        match damage(cx, self.entry.path(), TreeCheck::Contents)? {
            None => Ok(()),
            Some(damage) => {
                // A tree without a manifest is unpacked again.
                files::remove_if_exists(&self.entry.path().join(MANIFEST))?;
                Err(Error::DamagedTree { key: self.key.clone(), damage })
            }
        }
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

/// `meta.json` of an entry of [`Bucket::Sources`].
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    release: Release,
    #[serde(rename = "made")]
    released_at: i64,
}

/// The key of the tree that is unpacked from the source with key `source`.
pub fn key(source: &Key) -> Key {
    Key::of("unpack", &(FORM, source))
}

/// [`SourceTree::released_at`] of a tree in the store; `None` if the store does not have the tree.
pub fn released_at(cx: &Context, key: &Key) -> Option<i64> {
    let text = fs::read(cx.store.path(Bucket::Sources, key.as_str()).join(RECORD)).ok()?;
    serde_json::from_slice::<Record>(&text).ok().map(|record| record.released_at)
}

/// How thoroughly a tree that the store has is checked. Files that a series touches are the patch stage's concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeCheck {
    /// Not at all: no program reads the tree.
    Nothing,
    /// The length and the time of every file, and the content of those that differ.
    Times,
    /// The content of every file.
    Contents,
}

/// Copies the source into the store, unless the store has its tree. A damaged tree is removed and unpacked again.
///
/// Files get mode 0755 or 0644, and keep the times of the source.
///
/// # Errors
/// The source is damaged or unsafe, or its top Makefile names another release.
pub fn unpack(cx: &Context, source: &VerifiedSource, check: TreeCheck) -> Result<SourceTree, Error> {
    let key = key(&source.key);
    let release = source.release;
    let slot = match stored(cx, &key, check)? {
        Stored::Tree(entry, record) => {
            // The Makefile in the tree may be patched; the record is older than any patch.
            if record.release != release {
                let (url, found) = (source.url.clone(), record.release.into());
                return Err(Error::OtherRelease { url, found, wanted: release });
            }
            return Ok(SourceTree {
                entry,
                release,
                key,
                released_at: record.released_at,
                cached: true,
                checked: check,
            });
        }
        Stored::Nothing(slot) => slot,
    };
    let root = slot.path().join("linux");
    let released_at = match &source.content {
        Content::Archive { entry, .. } => {
            archive::unpack(cx, &source.url, &store_archives::archive(entry.path()), &root)?
        }
        Content::Git { revision, .. } => git_tree::unpack(cx, &source.url, revision, &root)?,
        Content::Directory(source) => directory::unpack(cx, source, &root)?,
    };
    check_release(source, &root)?;
    if let Content::Directory(copied) = &source.content {
        directory::check_copy(cx, &source.sha256, &copied.path, &root)?;
    }
    let text = serde_json::to_vec_pretty(&Record { release, released_at }).expect("a record is plain data");
    fs::write(slot.path().join(RECORD), text)?;
    let manifest = Manifest::of::<Error>(&root, &Manifest::default(), &cx.stop, &is_source)?;
    manifest.write(&slot.path().join(MANIFEST))?;
    Ok(SourceTree {
        entry: slot.commit()?,
        release,
        key,
        released_at,
        cached: false,
        checked: TreeCheck::Contents,
    })
}

enum Stored {
    Tree(Entry, Record),
    Nothing(Slot),
}

/// Finds the tree with this key. A damaged tree is removed, with a note.
fn stored(cx: &Context, key: &Key, check: TreeCheck) -> Result<Stored, Error> {
    loop {
        let entry = match cx.lookup(Stage::Unpack, Bucket::Sources, key.as_str())? {
            Lookup::Miss(slot) => return Ok(Stored::Nothing(slot)),
            Lookup::Hit(entry) => entry,
        };
        let damage = match read_record(entry.path()) {
            Ok(record) => match damage(cx, entry.path(), check)? {
                None => return Ok(Stored::Tree(entry, record)),
                Some(damage) => damage,
            },
            Err(error) => format!("{RECORD}: {error}"),
        };
        let text = format!("the source tree {key} of the store is damaged and unpacked again: {damage}");
        cx.events.note(Stage::Unpack, text);
        drop(entry);
        cx.store.remove(Bucket::Sources, key.as_str(), &cx.stop)?;
    }
}

fn read_record(entry: &Path) -> io::Result<Record> {
    Ok(serde_json::from_slice(&fs::read(entry.join(RECORD))?)?)
}

/// Names the first file that is not as unpacked, although no series touches it.
fn damage(cx: &Context, entry: &Path, check: TreeCheck) -> Result<Option<String>, Error> {
    let depth = match check {
        TreeCheck::Nothing => return Ok(None),
        TreeCheck::Times => Depth::Times,
        TreeCheck::Contents => Depth::Contents,
    };
    let journal = match TreeJournal::read(entry) {
        Ok(journal) => journal.unwrap_or_default(),
        Err(error) => return Ok(Some(error.to_string())),
    };
    if let Some(path) = journal.lost_original(entry)? {
        return Ok(Some(format!("the original of {} is lost", path.display())));
    }
    let Some(manifest) = Manifest::read(&entry.join(MANIFEST)) else {
        return Ok(Some("it has no manifest".to_owned()));
    };
    let is_listed = |path: &str| is_source(path) && !journal.touched.contains_key(Path::new(path));
    Ok(manifest.difference(&entry.join("linux"), depth, &cx.stop, &is_listed)?)
}

/// Python programs of the tree leave compiled modules beside themselves.
fn is_source(path: &str) -> bool {
    !path.contains("__pycache__/")
}

fn check_release(source: &VerifiedSource, root: &Path) -> Result<(), Error> {
    let url = || source.url.clone();
    let text = files::read_text(&root.join("Makefile"))
        .map_err(|_| Error::NotAKernel { url: url(), reason: "it has no top Makefile" })?;
    let found = Version::parse(&text)
        .ok_or_else(|| Error::NotAKernel { url: url(), reason: "its top Makefile names no version" })?;
    if !found.is(&source.release) {
        return Err(Error::OtherRelease { url: url(), found, wanted: source.release });
    }
    Ok(())
}
