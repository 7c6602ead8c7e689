//! The `O=` directory. Many runs use it in turn, and any of them may be killed.
//!
//! Two things must never happen: make uses a half-written file, or make treats an object as newer than a
//! source that it was not built from. Against the first, a mark exists while make runs and until its files are on
//! the disk; the next run that finds the mark removes every file that may be half-written, or all files if the
//! machine has started again since. Against the second, the directory records the source tree
//! that its objects were built from, and is emptied if a file in it is from the future: after the clock was set
//! back, a source that a series changes now is older than the object of the unchanged one.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::{build_file, wrappers};
use crate::base::error::Explain;
use crate::base::files;
use crate::base::manifest::{Depth, Manifest};
use crate::base::stop::{Interrupted, Stop};
use crate::base::store::Entry;

/// Exists while make runs, and holds [`boot_id`].
const MARK: &str = ".kpatch-build-running";
/// Identifies the source tree of the objects.
const BUILT_FROM: &str = ".kpatch-build-source";
/// Holds the number of objects of the last complete build.
const OBJECTS: &str = ".kpatch-build-objects";

/// Lists the files after each run of make, for `--verify-store`.
const MANIFEST: &str = ".kpatch-build-manifest";

/// `TMPDIR` of the compilers, which leave their files there when they are killed.
const TEMP_DIR: &str = ".kpatch-build-tmp";

/// A file that was open when make was killed was last written shortly before the youngest file of the
/// directory. A file that takes longer to write has a `.cmd` file, which kbuild writes last.
const WINDOW: Duration = Duration::from_secs(30);

/// Files that scripts write besides their target: make does not rebuild one of them if only the target is
/// missing.
const LINKED: [&str; 4] = ["vmlinux", "System.map", "Module.symvers", "arch/x86/boot/bzImage"];

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed; the error names operation and path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Io(_) => None,
            Error::Interrupted(interrupted) => Some(interrupted),
        }
    }
}

/// An `O=` directory, locked for this run.
#[derive(Debug)]
pub struct BuildDir {
    entry: Entry,
}

impl BuildDir {
    /// Opens the directory of `entry` for objects of the source tree `tree`. Empties it if its objects are from
    /// another tree or from the future, or if the machine went down while make ran; removes files that may be
    /// half-written if an earlier run was killed. With `verify`, reads every file; if one differs from the last run of
    /// make, empties the directory and names the file.
    ///
    /// # Errors
    /// A file cannot be read, written or removed, or a stop is requested.
    pub fn open(
        entry: Entry,
        tree: &Path,
        verify: bool,
        stop: &Stop,
    ) -> Result<(BuildDir, Option<String>), Error> {
        let dir = BuildDir { entry };
        let source = identity(tree)?;
        files::remove_dir_if_exists(&temp_dir(dir.path()))?;
        let mark = build_file::text(dir.path(), MARK).ok();
        let went_down = mark.as_ref().is_some_and(|mark| *mark != boot_id());
        let is_of_tree = build_file::text(dir.path(), BUILT_FROM).ok().unwrap_or_default() == source;
        if went_down || !is_of_tree || dir.is_from_the_future(stop)? {
            clear(dir.path(), stop)?;
            build_file::write(dir.path(), BUILT_FROM, &source)?;
        } else if mark.is_some() {
            repair(dir.path(), stop)?;
        }
        let damage = if verify && mark.is_none() { dir.damage(stop)? } else { None };
        if damage.is_some() {
            clear(dir.path(), stop)?;
            build_file::write(dir.path(), BUILT_FROM, &source)?;
        }
        wrappers::write(dir.path())?;
        Ok((dir, damage))
    }

    /// Whether [`BuildDir::open`] would keep the objects in the directory `path`. It is not locked, so another run may still
    /// change it.
    ///
    /// # Errors
    /// A file cannot be read, or a stop is requested.
    pub(crate) fn keeps_objects(path: &Path, tree: &Path, stop: &Stop) -> Result<bool, Error> {
        if build_file::text(path, BUILT_FROM).ok().unwrap_or_default() != identity(tree)?
            || build_file::text(path, MARK).ok().is_some_and(|mark| mark != boot_id())
        {
            return Ok(false);
        }
        let now = SystemTime::now();
        let mut keeps = true;
        walk(path, stop, &mut |_, modified| keeps &= modified <= now)?;
        Ok(keeps)
    }

    /// Whether the clock was set back since make wrote one of the files. The file system's clock counts: on a network
    /// file system, it need not be this machine's.
    fn is_from_the_future(&self, stop: &Stop) -> Result<bool, Error> {
        let now = wrappers::write(self.path())?;
        let mut found = false;
        walk(self.path(), stop, &mut |_, modified| found |= modified > now)?;
        Ok(found)
    }

    /// Names the first file that differs from the last run of make; nothing before the first run.
    fn damage(&self, stop: &Stop) -> Result<Option<String>, Error> {
        let Some(manifest) = self.manifest() else {
            return Ok(self.objects().map(|_| "it has no manifest".to_owned()));
        };
        Ok(manifest.difference(self.path(), Depth::Contents, stop, &is_of_make)?)
    }

    fn manifest(&self) -> Option<Manifest> {
        Manifest::read(&build_file::existing(self.path(), MANIFEST).ok()?)
    }

    /// Path of the directory.
    pub fn path(&self) -> &Path {
        self.entry.path()
    }

    /// Marks the directory: make is about to run.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        fs::create_dir_all(temp_dir(self.path()))?;
        Ok(files::replace(&self.path().join(MARK), boot_id().as_bytes())?)
    }

    /// Lists the files, and removes the mark once they are on the disk: make exited, and has removed its unfinished
    /// targets.
    ///
    /// # Errors
    /// The files cannot be read or written, the mark cannot be removed, or a stop is requested.
    pub(crate) fn finish(&mut self, stop: &Stop) -> Result<(), Error> {
        let path = self.path().join(MANIFEST);
        let earlier = self.manifest().unwrap_or_default();
        Manifest::of::<Error>(self.path(), &earlier, stop, &is_of_make)?.write(&path)?;
        files::sync_file_system(self.path())?;
        Ok(fs::remove_file(self.path().join(MARK))?)
    }

    /// The number of objects of the last complete build; `None` before the first.
    pub(crate) fn objects(&self) -> Option<u64> {
        build_file::text(self.path(), OBJECTS).ok()?.trim().parse().ok()
    }

    /// Records the number of objects of a complete build.
    ///
    /// # Errors
    /// The number cannot be written.
    pub(crate) fn set_objects(&mut self, objects: u64) -> Result<(), Error> {
        build_file::write(self.path(), OBJECTS, objects.to_string())?;
        Ok(())
    }

    /// Counts the objects that exist now.
    ///
    /// # Errors
    /// The directory cannot be read, or a stop is requested.
    pub(crate) fn count_objects(&self, stop: &Stop) -> Result<u64, Error> {
        let mut count = 0;
        walk(self.path(), stop, &mut |path, _| {
            count += u64::from(path.extension().is_some_and(|extension| extension == "o"));
        })?;
        Ok(count)
    }
}

/// Identifies the time since the machine started (random(4)). Files that a killed make wrote in an earlier time may
/// be empty now.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The compilers' `TMPDIR` in the build directory `dir`.
pub fn temp_dir(dir: &Path) -> PathBuf {
    dir.join(TEMP_DIR)
}

/// Identifies an unpacked tree. The value changes when the tree is unpacked again: that restores the old times of
/// its files, and make could treat an object of another series as up to date. COPYING is a file that no series
/// changes; a series that adds files may change MAINTAINERS.
fn identity(tree: &Path) -> Result<String, Error> {
    let path = tree.join("COPYING");
    let path = if path.exists() { path } else { tree.join("Makefile") };
    let file = fs::metadata(&path)?;
    let top = fs::metadata(tree)?;
    Ok(format!(
        "{} {} {} {}.{} {}",
        top.dev(),
        top.ino(),
        file.ino(),
        file.ctime(),
        file.ctime_nsec(),
        tree.display()
    ))
}

fn clear(dir: &Path, stop: &Stop) -> Result<(), Error> {
    for entry in fs::read_dir(dir)? {
        stop.check()?;
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
    }
    Ok(())
}

/// Removes every file that may be half-written; make can create all of them again.
fn repair(dir: &Path, stop: &Stop) -> Result<(), Error> {
    let mut youngest = SystemTime::UNIX_EPOCH;
    walk(dir, stop, &mut |path, modified| {
        if !is_ours(path, dir) {
            youngest = youngest.max(modified);
        }
    })?;
    let not_before = youngest - WINDOW;
    let mut doomed: Vec<PathBuf> = LINKED.iter().map(|name| dir.join(name)).collect();
    walk(dir, stop, &mut |path, modified| {
        if !is_ours(path, dir) && (modified >= not_before || is_unfinished(path, modified)) {
            doomed.push(path.to_owned());
        }
    })?;
    for path in doomed {
        files::remove_if_exists(&path)?;
    }
    Ok(())
}

/// Whether kpatch-build wrote the file, and not make.
fn is_ours(path: &Path, dir: &Path) -> bool {
    wrappers::is_wrapper(path, dir)
        || [MARK, BUILT_FROM, OBJECTS, MANIFEST].iter().any(|name| path == dir.join(name))
}

/// Whether the path, relative to the directory, is none of kpatch-build's own files.
fn is_of_make(path: &str) -> bool {
    !path.starts_with(".kpatch-build-") && path != "kpatch-build.config"
}

/// Kbuild writes `.X.cmd` after X (scripts/Kbuild.include, if_changed).
fn is_unfinished(path: &Path, modified: SystemTime) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let command_file = path.with_file_name(format!(".{name}.cmd"));
    match fs::metadata(command_file).and_then(|meta| meta.modified()) {
        Ok(finished) => finished < modified,
        Err(_) => name.ends_with(".o") || name.ends_with(".ko"),
    }
}

/// Calls `visit` with each regular file below `dir` and the time of its last change; does not follow links.
fn walk(dir: &Path, stop: &Stop, visit: &mut dyn FnMut(&Path, SystemTime)) -> Result<(), Error> {
    stop.check()?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let meta = entry.metadata()?;
        if meta.is_dir() {
            walk(&path, stop, visit)?;
        } else if meta.is_file() {
            visit(&path, meta.modified()?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::store::{Bucket, Lookup, Store};

    struct Fixture {
        dir: tempfile::TempDir,
        store: Store,
    }

    impl Fixture {
        fn new() -> Fixture {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store")).unwrap();
            let fixture = Fixture { dir, store };
            fixture.unpack();
            fixture
        }

        fn tree(&self) -> PathBuf {
            self.dir.path().join("tree")
        }

        fn unpack(&self) {
            let _ = fs::remove_dir_all(self.tree());
            fs::create_dir(self.tree()).unwrap();
            fs::write(self.tree().join("Makefile"), "").unwrap();
        }

        fn open(&self) -> BuildDir {
            let stop = Stop::default();
            let entry = match self.store.lookup(Bucket::Builds, "k", &stop, |_| {}).unwrap() {
                Lookup::Hit(entry) => entry,
                Lookup::Miss(slot) => slot.commit().unwrap(),
            };
            BuildDir::open(entry, &self.tree(), false, &stop).unwrap().0
        }
    }

    /// Writes files with these ages in seconds.
    fn files(dir: &BuildDir, files: &[(&str, u64)]) {
        let now = SystemTime::now();
        for (name, age) in files {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(*age)).unwrap();
        }
    }

    fn left(dir: &BuildDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".kpatch"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn after_a_kill_only_files_that_are_certainly_complete_stay() {
        let fixture = Fixture::new();
        let mut dir = fixture.open();
        dir.begin().unwrap();
        files(
            &dir,
            &[
                ("whole.o", 900),
                (".whole.o.cmd", 899),
                ("rebuilt.o", 300),
                (".rebuilt.o.cmd", 900),
                ("uncommanded.o", 300),
                ("generated.h", 300),
                ("late.h", 20),
                ("late.o", 10),
                (".late.o.cmd", 0),
                ("vmlinux", 900),
                (".vmlinux.cmd", 899),
            ],
        );
        drop(dir);
        assert_eq!(
            left(&fixture.open()),
            [".rebuilt.o.cmd", ".vmlinux.cmd", ".whole.o.cmd", "generated.h", "whole.o"]
        );
    }

    #[test]
    fn nothing_stays_if_the_machine_went_down_while_make_ran() {
        let fixture = Fixture::new();
        let mut dir = fixture.open();
        dir.begin().unwrap();
        files(&dir, &[("whole.o", 900), (".whole.o.cmd", 899)]);
        fs::write(dir.path().join(MARK), "another start").unwrap();
        drop(dir);
        assert!(left(&fixture.open()).is_empty());
    }

    /// With the clock set back, a changed source would be older than the object of the unchanged one.
    #[test]
    fn nothing_stays_if_an_object_is_from_the_future() {
        let fixture = Fixture::new();
        let dir = fixture.open();
        files(&dir, &[("a.o", 900), (".a.o.cmd", 899)]);
        drop(dir);
        let dir = fixture.open();
        assert_eq!(left(&dir), [".a.o.cmd", "a.o"]);
        let file = fs::File::options().write(true).open(dir.path().join("a.o")).unwrap();
        file.file().set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        drop(dir);
        assert!(left(&fixture.open()).is_empty());
    }

    #[test]
    fn the_window_ends_at_the_kill_and_not_at_the_repair() {
        let fixture = Fixture::new();
        let mut dir = fixture.open();
        dir.begin().unwrap();
        files(&dir, &[("half.h", 5000), ("last.h", 4990), ("old.h", 6000)]);
        drop(dir);
        assert_eq!(left(&fixture.open()), ["old.h"]);
    }

    #[test]
    fn a_directory_is_kept_if_make_exited() {
        let fixture = Fixture::new();
        let mut dir = fixture.open();
        dir.begin().unwrap();
        files(&dir, &[("a.o", 0), ("b.h", 0)]);
        dir.finish(&Stop::default()).unwrap();
        drop(dir);
        assert_eq!(left(&fixture.open()), ["a.o", "b.h"]);
    }

    #[test]
    fn temporary_files_of_killed_compilers_are_removed() {
        let fixture = Fixture::new();
        let mut dir = fixture.open();
        dir.begin().unwrap();
        let left = temp_dir(dir.path()).join("ccabc123.s");
        fs::write(&left, "").unwrap();
        drop(dir);
        fixture.open();
        assert!(!left.exists());
    }

    #[test]
    fn a_series_that_changes_maintainers_keeps_the_objects_usable() {
        let fixture = Fixture::new();
        fs::write(fixture.tree().join("COPYING"), "").unwrap();
        files(&fixture.open(), &[("a.o", 900), (".a.o.cmd", 899)]);
        fs::write(fixture.tree().join("MAINTAINERS"), "F: a").unwrap();
        assert_eq!(left(&fixture.open()), [".a.o.cmd", "a.o"]);
    }

    #[test]
    fn objects_of_a_tree_that_is_unpacked_again_are_not_used() {
        let fixture = Fixture::new();
        let dir = fixture.open();
        files(&dir, &[("a.o", 900), (".a.o.cmd", 899)]);
        drop(dir);
        assert_eq!(left(&fixture.open()), [".a.o.cmd", "a.o"]);
        fixture.unpack();
        assert!(left(&fixture.open()).is_empty());
    }
}
