//! The store: one directory with everything that a later run can reuse.
//!
//! A lookup is a hit or a slot. A slot owns the entry's lock and a temporary directory;
//! committing renames that directory into place, dropping the slot leaves nothing behind. Entries
//! of [`Bucket::Sources`] and [`Bucket::Builds`] change in place while a run holds them, so they
//! stay locked for as long as the [`Entry`] lives; all other entries are written once.
//!
//! An entry is on the disk before it has its name, so a power loss leaves it whole or not at all. An entry that
//! is written once has a manifest, which every lookup compares with the entry: a damaged entry is removed, and
//! the lookup is a miss. Manifests lie outside their entries, because some entries are packaged as a whole.

use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{self as fs, File};

use crate::base::error::{Exit, Explain};
use crate::base::files;
use crate::base::manifest::{Depth, Manifest};
use crate::base::stop::{Interrupted, Stop};

/// A bucket: one directory of the store, named after its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Incomplete downloads, by the SHA-256 of their URL.
    Partial,
    /// Source archives, by SHA-256.
    Tarballs,
    /// Signed indexes and the data read from them.
    Indexes,
    /// The newest `InRelease` of each suite and mirror.
    Releases,
    /// One source tree for each release, with the series currently applied to it.
    Sources,
    /// One `O=` directory for each release, kconfig, toolchain and language.
    Builds,
    /// Finished kernels and their parts, by build key.
    Results,
    /// Debuggers for the guest, each with its own root.
    Debuggers,
    /// Facts about this host, such as whether KVM works.
    Hosts,
}

impl Bucket {
    /// All buckets.
    pub const ALL: [Bucket; 9] = [
        Bucket::Partial,
        Bucket::Tarballs,
        Bucket::Indexes,
        Bucket::Releases,
        Bucket::Sources,
        Bucket::Builds,
        Bucket::Results,
        Bucket::Debuggers,
        Bucket::Hosts,
    ];

    /// Directory name, also shown by `cache list`.
    pub fn dir_name(self) -> &'static str {
        match self {
            Bucket::Partial => "partial",
            Bucket::Tarballs => "tarballs",
            Bucket::Indexes => "indexes",
            Bucket::Releases => "releases",
            Bucket::Sources => "sources",
            Bucket::Builds => "builds",
            Bucket::Results => "results",
            Bucket::Debuggers => "debuggers",
            Bucket::Hosts => "hosts",
        }
    }

    fn changes_in_place(self) -> bool {
        matches!(self, Bucket::Partial | Bucket::Releases | Bucket::Sources | Bucket::Builds)
    }

    /// Archives are named after their SHA-256, and their records change.
    fn has_manifests(self) -> bool {
        !self.changes_in_place() && self != Bucket::Tarballs
    }
}

/// What [`Store::lookup`] reports while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Another run holds the lock.
    Waiting,
    /// The entry was damaged and is removed; the text names the first file that differs.
    Damaged(String),
}

/// Start of the name of a local archive's copy in [`Bucket::Partial`], which its run keeps locked.
pub(crate) const COPY: &str = ".copy-";
/// Directory of the lock files.
const LOCKS: &str = "locks";
/// Directory of the manifests.
const MANIFESTS: &str = "manifests";

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another user could have changed everything in the store.
    #[error("the store {} belongs to another user (uid {uid})", path.display())]
    Foreign {
        /// The store.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The run was interrupted while another one held the lock.
    #[error("interrupted while waiting for {}", path.display())]
    Waiting {
        /// The lock.
        path: PathBuf,
    },
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Io(_) => Exit::StageFailed,
            Error::Foreign { .. } => Exit::Usage,
            Error::Waiting { .. } | Error::Interrupted(_) => Exit::Interrupted,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Io(_) => Some("use another --store, or fix this directory's permissions".into()),
            Error::Foreign { .. } => Some("use a store of your own: --store DIR".into()),
            Error::Waiting { .. } | Error::Interrupted(_) => None,
        }
    }
}

/// The store, opened.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    verifies: bool,
}

/// The result of [`Store::lookup`].
#[derive(Debug)]
pub enum Lookup {
    /// The entry exists.
    Hit(Entry),
    /// The entry does not exist; the slot reserves it.
    Miss(Slot),
}

/// A committed entry, locked: shared, or exclusively in buckets whose entries change in place.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    _lock: File,
}

/// A temporary directory for an entry that does not exist yet.
#[derive(Debug)]
pub struct Slot {
    temporary: PathBuf,
    destination: PathBuf,
    manifest: PathBuf,
    bucket: Bucket,
    stop: Stop,
    /// `None` once committed.
    lock: Option<File>,
}

impl Store {
    /// Opens the store at `root`, creates missing directories and removes the leftovers of killed runs.
    ///
    /// # Errors
    /// The directory cannot be created or written to.
    pub fn open(root: &Path) -> Result<Store, Error> {
        for bucket in Bucket::ALL.map(Bucket::dir_name).iter().chain(&[LOCKS, MANIFESTS]) {
            let path = root.join(bucket);
            fs::create_dir_all(&path)?;
        }
        let root = fs::canonicalize(root)?;
        let uid = fs::metadata(&root)?.uid();
        if !files::is_trusted_owner(uid) {
            return Err(Error::Foreign { path: root, uid });
        }
        let store = Store { root, verifies: false };
        store.sweep()?;
        Ok(store)
    }

    /// Sets whether runs read every file of the source tree and of the build directory that they use.
    #[must_use]
    pub fn with_verification(self, verifies: bool) -> Store {
        Store { verifies, ..self }
    }

    /// See [`Store::with_verification`].
    pub fn verifies(&self) -> bool {
        self.verifies
    }

    /// Removes the leftovers of killed runs: temporary directories whose lock no process holds, and copies of archives
    /// that no process holds open.
    fn sweep(&self) -> Result<(), Error> {
        for copy in fs::read_dir(self.root.join(Bucket::Partial.dir_name()))?.flatten() {
            let is_copy = copy.file_name().to_string_lossy().starts_with(COPY);
            if is_copy && open_lock(&copy.path())?.file().try_lock().is_ok() {
                files::remove_if_exists(&copy.path())?;
            }
        }
        for bucket in Bucket::ALL {
            let dir = self.root.join(bucket.dir_name());
            for entry in fs::read_dir(&dir)?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(key) = name
                    .strip_prefix('.')
                    .and_then(|name| name.strip_suffix(".new").or(name.strip_suffix(".old")))
                else {
                    continue;
                };
                let lock = open_lock(&self.beside(LOCKS, bucket, key))?;
                if lock.file().try_lock().is_ok() {
                    files::remove_dir_if_exists(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// The directory of the store, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of an entry, whether or not it exists.
    pub fn path(&self, bucket: Bucket, key: &str) -> PathBuf {
        self.root.join(bucket.dir_name()).join(key)
    }

    /// Whether an entry exists now. No lock is taken, so use it only to show or to plan.
    pub fn contains(&self, bucket: Bucket, key: &str) -> bool {
        self.path(bucket, key).exists()
    }

    /// Finds or reserves an entry. Waits for its lock. A damaged entry is removed and counts as missing, and so does
    /// an entry without a manifest, which an older version wrote. `notify` gets at most one notice of each kind.
    ///
    /// # Errors
    /// A file operation fails, or `stop` is set meanwhile.
    pub fn lookup(
        &self,
        bucket: Bucket,
        key: &str,
        stop: &Stop,
        mut notify: impl FnMut(Notice),
    ) -> Result<Lookup, Error> {
        let destination = self.path(bucket, key);
        if !bucket.changes_in_place() && destination.exists() {
            let lock = self.lock(bucket, key, std::fs::File::try_lock_shared, stop, || {})?;
            if destination.exists() && self.damage(bucket, key, stop)?.is_none() {
                return Ok(Lookup::Hit(Entry { path: destination, _lock: lock }));
            }
        }
        let lock = self.lock(bucket, key, std::fs::File::try_lock, stop, || notify(Notice::Waiting))?;
        if destination.exists() {
            match self.damage(bucket, key, stop)? {
                None => return Ok(Lookup::Hit(Entry::new(destination, bucket, lock)?)),
                Some(damage) => {
                    notify(Notice::Damaged(damage));
                    self.discard(bucket, key)?;
                }
            }
        }
        let temporary = self.root.join(bucket.dir_name()).join(format!(".{key}.new"));
        // A killed run left this directory: this run holds the lock, so no other run is writing to it.
        files::remove_dir_if_exists(&temporary)?;
        fs::create_dir(&temporary)?;
        let manifest = self.beside(MANIFESTS, bucket, key);
        Ok(Lookup::Miss(Slot {
            temporary,
            destination,
            manifest,
            bucket,
            stop: stop.clone(),
            lock: Some(lock),
        }))
    }

    /// Names the first file of the entry that differs from the manifest.
    fn damage(&self, bucket: Bucket, key: &str, stop: &Stop) -> Result<Option<String>, Error> {
        if !bucket.has_manifests() {
            return Ok(None);
        }
        match Manifest::read(&self.beside(MANIFESTS, bucket, key)) {
            Some(manifest) => {
                Ok(manifest.difference(&self.path(bucket, key), Depth::Contents, stop, &|_| true)?)
            }
            None => Ok(Some("it has no manifest".to_owned())),
        }
    }

    fn beside(&self, dir: &str, bucket: Bucket, key: &str) -> PathBuf {
        self.root.join(dir).join(format!("{}-{key}", bucket.dir_name()))
    }

    /// Removes an entry once no run uses it; returns whether it existed.
    ///
    /// # Errors
    /// A file operation fails, or `stop` is set while waiting.
    pub fn remove(&self, bucket: Bucket, key: &str, stop: &Stop) -> Result<bool, Error> {
        let _lock = self.lock(bucket, key, std::fs::File::try_lock, stop, || {})?;
        self.discard(bucket, key)
    }

    /// Removes an entry that this run has locked.
    fn discard(&self, bucket: Bucket, key: &str) -> Result<bool, Error> {
        let path = self.path(bucket, key);
        let existed = path.exists();
        // Renaming first means that a kill in the middle never leaves half an entry under its name.
        let doomed = self.root.join(bucket.dir_name()).join(format!(".{key}.old"));
        files::remove_dir_if_exists(&doomed)?;
        if existed {
            fs::rename(&path, &doomed)?;
            files::remove_dir_if_exists(&doomed)?;
        }
        files::remove_if_exists(&self.beside(MANIFESTS, bucket, key))?;
        Ok(existed)
    }

    /// Names of the committed entries of a bucket, sorted.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn entries(&self, bucket: Bucket) -> Result<Vec<String>, Error> {
        let dir = self.root.join(bucket.dir_name());
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn lock(
        &self,
        bucket: Bucket,
        key: &str,
        attempt: fn(&std::fs::File) -> Result<(), TryLockError>,
        stop: &Stop,
        waiting: impl FnOnce(),
    ) -> Result<File, Error> {
        let path = self.beside(LOCKS, bucket, key);
        let file = open_lock(&path)?;
        let mut waiting = Some(waiting);
        loop {
            match attempt(file.file()) {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(files::at("lock", &path, source).into()),
            }
            if stop.is_set() {
                return Err(Error::Waiting { path });
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Opens or creates a lock file, without its content: a link in its place would lead to another file.
fn open_lock(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)
}

impl Entry {
    fn new(path: PathBuf, bucket: Bucket, lock: File) -> Result<Entry, Error> {
        if !bucket.changes_in_place() {
            lock.file().lock_shared().map_err(|error| files::at("lock", &path, error))?;
        }
        Ok(Entry { path, _lock: lock })
    }

    /// The directory of the entry.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Slot {
    /// The directory to fill; empty at first.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Writes the manifest, waits until every byte is on the disk, and renames the directory into place.
    ///
    /// # Errors
    /// A file cannot be read or written, or the run was interrupted.
    pub fn commit(mut self) -> Result<Entry, Error> {
        if self.bucket.has_manifests() {
            let manifest =
                Manifest::of::<Error>(&self.temporary, &Manifest::default(), &self.stop, &|_| true)?;
            manifest.write(&self.manifest)?;
        }
        files::sync_file_system(&self.temporary)?;
        fs::rename(&self.temporary, &self.destination)?;
        files::sync_dir_of(&self.destination)?;
        let lock = self.lock.take().expect("a slot is committed once");
        Entry::new(self.destination.clone(), self.bucket, lock)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // An error cannot be reported here; the next lookup of this key clears the directory as well.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        (dir, store)
    }

    fn lookup(store: &Store, key: &str) -> Lookup {
        store.lookup(Bucket::Results, key, &Stop::default(), |_| {}).unwrap()
    }

    fn slot(store: &Store, key: &str) -> Slot {
        match lookup(store, key) {
            Lookup::Miss(slot) => slot,
            Lookup::Hit(entry) => panic!("{entry:?} exists"),
        }
    }

    #[test]
    fn a_committed_slot_is_a_hit_with_its_content() {
        let (_dir, store) = store();
        let slot = slot(&store, "k");
        fs::write(slot.path().join("file"), "content").unwrap();
        drop(slot.commit().unwrap());
        let Lookup::Hit(entry) = lookup(&store, "k") else { panic!("no hit") };
        assert_eq!(fs::read_to_string(entry.path().join("file")).unwrap(), "content");
    }

    /// Commits an entry, lets `change` damage it, and returns the result of the next lookup and its notices.
    fn after(change: impl FnOnce(&Path)) -> (bool, Vec<Notice>) {
        let (_dir, store) = store();
        let slot = slot(&store, "k");
        fs::create_dir(slot.path().join("lib")).unwrap();
        fs::write(slot.path().join("lib/a.ko"), "module").unwrap();
        std::os::unix::fs::symlink("a.ko", slot.path().join("lib/link")).unwrap();
        let path = slot.commit().unwrap().path().to_owned();
        change(&path);
        let mut notices = Vec::new();
        let found =
            store.lookup(Bucket::Results, "k", &Stop::default(), |notice| notices.push(notice)).unwrap();
        let is_hit = matches!(found, Lookup::Hit(_));
        assert_eq!(is_hit, path.exists(), "a damaged entry is removed");
        (is_hit, notices)
    }

    #[test]
    fn a_damaged_entry_is_named_and_removed() {
        assert_eq!(after(|_| {}), (true, vec![]));
        let damaged = |text: &str| (false, vec![Notice::Damaged(text.into())]);
        assert_eq!(
            after(|path| fs::write(path.join("lib/a.ko"), "modulf").unwrap()),
            damaged("lib/a.ko differs")
        );
        assert_eq!(after(|path| fs::write(path.join("lib/a.ko"), "").unwrap()), damaged("lib/a.ko differs"));
        assert_eq!(
            after(|path| fs::remove_file(path.join("lib/a.ko")).unwrap()),
            damaged("lib/a.ko is missing")
        );
        assert_eq!(after(|path| fs::write(path.join("b"), "").unwrap()), damaged("b was added"));
        let relink = |path: &Path| {
            fs::remove_file(path.join("lib/link")).unwrap();
            std::os::unix::fs::symlink("b.ko", path.join("lib/link")).unwrap();
        };
        assert_eq!(after(relink), damaged("lib/link differs"));
        let lose = |path: &Path| fs::remove_file(path.join("../../manifests/results-k")).unwrap();
        assert_eq!(after(lose), damaged("it has no manifest"));
        let empty = |path: &Path| fs::write(path.join("../../manifests/results-k"), "").unwrap();
        assert_eq!(after(empty), damaged("it has no manifest"));
    }

    #[test]
    fn a_dropped_slot_leaves_nothing() {
        let (_dir, store) = store();
        let slot = slot(&store, "k");
        fs::write(slot.path().join("file"), "content").unwrap();
        drop(slot);
        assert_eq!(fs::read_dir(store.root().join("results")).unwrap().count(), 0);
    }

    #[test]
    fn the_next_lookup_clears_what_a_killed_run_left() {
        let (_dir, store) = store();
        let stale = store.root().join("results/.k.new");
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join("half"), "").unwrap();
        assert_eq!(fs::read_dir(slot(&store, "k").path()).unwrap().count(), 0);
    }

    #[test]
    fn opening_the_store_clears_what_killed_runs_left_but_nothing_in_use() {
        let (dir, store) = store();
        let stale = store.root().join("sources/.gone.new");
        fs::create_dir(&stale).unwrap();
        let slot = slot(&store, "busy");
        Store::open(&dir.path().join("store")).unwrap();
        assert!(!stale.exists() && slot.path().exists());
    }

    #[test]
    fn a_second_run_waits_for_the_first_and_can_be_interrupted() {
        let (_dir, store) = store();
        let _held = slot(&store, "k");
        let stop = Stop::default();
        let error = store.lookup(Bucket::Results, "k", &stop, |_| stop.set()).unwrap_err();
        assert!(matches!(error, Error::Waiting { .. }), "{error:?}");
    }

    #[test]
    fn finished_entries_can_be_read_by_several_runs_and_source_trees_by_one() {
        let (_dir, store) = store();
        let _one = slot(&store, "k").commit().unwrap();
        assert!(matches!(lookup(&store, "k"), Lookup::Hit(_)));

        let stop = Stop::default();
        let Lookup::Miss(slot) = store.lookup(Bucket::Sources, "t", &stop, |_| {}).unwrap() else { panic!() };
        let _tree = slot.commit().unwrap();
        assert!(store.lookup(Bucket::Sources, "t", &stop, |_| stop.set()).is_err());
    }

    #[test]
    fn removed_entries_are_gone() {
        let (_dir, store) = store();
        drop(slot(&store, "k").commit().unwrap());
        assert!(store.remove(Bucket::Results, "k", &Stop::default()).unwrap());
        assert!(!store.remove(Bucket::Results, "k", &Stop::default()).unwrap());
        assert!(store.entries(Bucket::Results).unwrap().is_empty());
    }
}
