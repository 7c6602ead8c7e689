//! The store: everything that a later run can use again, in one folder.
//!
//! A lookup is a hit or a slot. A slot owns the entry's lock and a temporary folder;
//! committing renames that folder into place, dropping it leaves nothing behind. Entries of
//! [`Room::Sources`] and [`Room::Builds`] change in place while a run holds them, so those
//! stay locked for as long as the [`Entry`] lives; the others are written once.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::error::{Exit, Explain};
use crate::base::stop::Stop;

/// One folder of the store. The names are those on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Downloads that are not complete yet, by the SHA-256 of their address.
    Partial,
    /// Source archives, by SHA-256.
    Tarballs,
    /// Signed indexes and what was read from them.
    Indexes,
    /// One source tree for each release, with the series that is applied to it.
    Sources,
    /// One `O=` folder for each (release, kconfig, toolchain, lang).
    Builds,
    /// Finished kernels, by build key.
    Results,
    /// Debuggers for the guest, each with a root of its own.
    Debuggers,
    /// What was learnt about this host (the accelerator that works).
    Hosts,
}

impl Room {
    pub const ALL: [Room; 8] = [
        Room::Partial,
        Room::Tarballs,
        Room::Indexes,
        Room::Sources,
        Room::Builds,
        Room::Results,
        Room::Debuggers,
        Room::Hosts,
    ];

    pub fn dir_name(self) -> &'static str {
        match self {
            Room::Partial => "partial",
            Room::Tarballs => "tarballs",
            Room::Indexes => "indexes",
            Room::Sources => "sources",
            Room::Builds => "builds",
            Room::Results => "results",
            Room::Debuggers => "debuggers",
            Room::Hosts => "hosts",
        }
    }

    fn changes_in_place(self) -> bool {
        matches!(self, Room::Partial | Room::Sources | Room::Builds)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("interrupted while waiting for {}", path.display())]
    Interrupted { path: PathBuf },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Io { .. } => Exit::StageFailed,
            Error::Interrupted { .. } => Exit::Interrupted,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Io { .. } => {
                Some("give another folder with --store, or mend this one's permissions".into())
            }
            Error::Interrupted { .. } => None,
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

/// The outcome of [`Store::lookup`].
#[derive(Debug)]
pub enum Lookup {
    Hit(Entry),
    Miss(Slot),
}

/// A committed entry. The lock is shared, or exclusive in rooms that change in place.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    _lock: File,
}

/// A place for an entry that does not exist yet.
#[derive(Debug)]
pub struct Slot {
    temporary: PathBuf,
    destination: PathBuf,
    room: Room,
    /// `None` once committed.
    lock: Option<File>,
}

impl Store {
    /// Creates the folder and its rooms where they are missing.
    pub fn open(root: &Path) -> Result<Store, Error> {
        for room in Room::ALL.map(Room::dir_name).iter().chain(&["locks"]) {
            let path = root.join(room);
            fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        }
        let root = root.canonicalize().map_err(io_error("open", root))?;
        let store = Store { root };
        store.sweep()?;
        Ok(store)
    }

    /// Removes what killed runs left: temporary folders whose lock nobody holds.
    fn sweep(&self) -> Result<(), Error> {
        for room in Room::ALL {
            let dir = self.root.join(room.dir_name());
            for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(key) = name
                    .strip_prefix('.')
                    .and_then(|name| name.strip_suffix(".new").or(name.strip_suffix(".old")))
                else {
                    continue;
                };
                let path = self.root.join("locks").join(format!("{}-{key}", room.dir_name()));
                let lock = File::create(&path).map_err(io_error("create", &path))?;
                if lock.try_lock().is_ok() {
                    remove(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, room: Room, key: &str) -> PathBuf {
        self.root.join(room.dir_name()).join(key)
    }

    /// Whether an entry is there now; it takes no lock, so only good for showing.
    pub fn contains(&self, room: Room, key: &str) -> bool {
        self.path(room, key).exists()
    }

    /// Waits for the entry's lock; `waiting` is called once if another run holds it.
    pub fn lookup(
        &self,
        room: Room,
        key: &str,
        stop: &Stop,
        waiting: impl FnOnce(),
    ) -> Result<Lookup, Error> {
        let destination = self.path(room, key);
        if !room.changes_in_place() && destination.exists() {
            let lock = self.lock(room, key, File::try_lock_shared, stop, || {})?;
            if destination.exists() {
                return Ok(Lookup::Hit(Entry { path: destination, _lock: lock }));
            }
        }
        let lock = self.lock(room, key, File::try_lock, stop, waiting)?;
        if destination.exists() {
            return Ok(Lookup::Hit(Entry::new(destination, room, lock)?));
        }
        let temporary = self.root.join(room.dir_name()).join(format!(".{key}.new"));
        // Left by a run that was killed: the lock says that nobody is writing it.
        remove(&temporary)?;
        fs::create_dir(&temporary).map_err(io_error("create", &temporary))?;
        Ok(Lookup::Miss(Slot { temporary, destination, room, lock: Some(lock) }))
    }

    /// Removes an entry once no run uses it. Returns whether there was one.
    pub fn remove(&self, room: Room, key: &str, stop: &Stop) -> Result<bool, Error> {
        let _lock = self.lock(room, key, File::try_lock, stop, || {})?;
        let path = self.path(room, key);
        let existed = path.exists();
        // Renamed first, so that a kill in the middle never leaves half an entry under its name.
        let doomed = self.root.join(room.dir_name()).join(format!(".{key}.old"));
        remove(&doomed)?;
        if existed {
            fs::rename(&path, &doomed).map_err(io_error("remove", &path))?;
            remove(&doomed)?;
        }
        Ok(existed)
    }

    /// Names of the committed entries of a room, sorted.
    pub fn entries(&self, room: Room) -> Result<Vec<String>, Error> {
        let dir = self.root.join(room.dir_name());
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))? {
            let name = entry.map_err(io_error("list", &dir))?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn lock(
        &self,
        room: Room,
        key: &str,
        attempt: fn(&File) -> Result<(), TryLockError>,
        stop: &Stop,
        waiting: impl FnOnce(),
    ) -> Result<File, Error> {
        let path = self.root.join("locks").join(format!("{}-{key}", room.dir_name()));
        let file = File::create(&path).map_err(io_error("create", &path))?;
        let mut waiting = Some(waiting);
        loop {
            match attempt(&file) {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
            }
            if stop.is_set() {
                return Err(Error::Interrupted { path });
            }
            if let Some(tell) = waiting.take() {
                tell();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Entry {
    fn new(path: PathBuf, room: Room, lock: File) -> Result<Entry, Error> {
        if !room.changes_in_place() {
            lock.lock_shared().map_err(io_error("lock", &path))?;
        }
        Ok(Entry { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Slot {
    /// The folder to fill. It is empty at first.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    pub fn commit(mut self) -> Result<Entry, Error> {
        fs::rename(&self.temporary, &self.destination).map_err(io_error("commit", &self.destination))?;
        let lock = self.lock.take().expect("a slot is committed once");
        Entry::new(self.destination.clone(), self.room, lock)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Nothing can be reported from here; the next lookup of this key clears it as well.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
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
        store.lookup(Room::Results, key, &Stop::default(), || {}).unwrap()
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

    #[test]
    fn a_dropped_slot_leaves_nothing() {
        let (_dir, store) = store();
        let slot = slot(&store, "k");
        fs::write(slot.path().join("file"), "content").unwrap();
        drop(slot);
        assert_eq!(fs::read_dir(store.root().join("results")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_cleared_by_the_next_lookup() {
        let (_dir, store) = store();
        let stale = store.root().join("results/.k.new");
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join("half"), "").unwrap();
        assert_eq!(fs::read_dir(slot(&store, "k").path()).unwrap().count(), 0);
    }

    #[test]
    fn opening_the_store_clears_what_killed_runs_left_and_nothing_that_is_in_use() {
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
        let error = store.lookup(Room::Results, "k", &stop, || stop.set()).unwrap_err();
        assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    }

    #[test]
    fn finished_entries_can_be_read_by_several_runs_and_source_trees_by_one() {
        let (_dir, store) = store();
        let _one = slot(&store, "k").commit().unwrap();
        assert!(matches!(lookup(&store, "k"), Lookup::Hit(_)));

        let stop = Stop::default();
        let Lookup::Miss(slot) = store.lookup(Room::Sources, "t", &stop, || {}).unwrap() else { panic!() };
        let _tree = slot.commit().unwrap();
        assert!(store.lookup(Room::Sources, "t", &stop, || stop.set()).is_err());
    }

    #[test]
    fn removed_entries_are_gone() {
        let (_dir, store) = store();
        drop(slot(&store, "k").commit().unwrap());
        assert!(store.remove(Room::Results, "k", &Stop::default()).unwrap());
        assert!(!store.remove(Room::Results, "k", &Stop::default()).unwrap());
        assert!(store.entries(Room::Results).unwrap().is_empty());
    }
}
