//! The `O=` folder, which many runs use in turn, any of which may have been killed.
//!
//! Two things must never happen: that make takes a half-written file for a finished one, and
//! that it takes an object for newer than the source it was not made from. The first is
//! prevented by a mark that stands while make runs, and by removing what may be half-written
//! when the mark is found; the second by noting which source tree the objects were made from.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use crate::base::stop::Stop;
use crate::base::store::Entry;

/// Stands while make runs.
const MARK: &str = ".kpatch-build-running";
/// Names the source tree.
const MADE_FROM: &str = ".kpatch-build-source";
/// Holds the number of objects of the last complete build.
const OBJECTS: &str = ".kpatch-build-objects";

/// `TMPDIR` of the compilers, which do not clean up when they are killed.
const TEMPORARY: &str = ".kpatch-build-tmp";

/// What kbuild calls as pahole.
const PAHOLE: &str = ".kpatch-build-pahole";
/// Kbuild lets it work in threads (scripts/pahole-flags.sh), and Debian 12's 1.24 writes the types in the
/// order in which these finish: then no two builds are the same.
const ONE_THREAD: &str = "#!/bin/sh
for argument; do
    shift
    case $argument in
        -j* | --jobs*) ;;
        *) set -- \"$@\" \"$argument\" ;;
    esac
done
exec pahole \"$@\"
";

/// A file that make had opened when it was killed was written to shortly before the youngest
/// file of the folder; nothing that takes longer lacks a `.cmd` file, which is written last.
const WINDOW: Duration = Duration::from_secs(30);

/// Made by scripts beside their actual target: removing the target alone would not bring them back.
const LINKED: [&str; 4] = ["vmlinux", "System.map", "Module.symvers", "arch/x86/boot/bzImage"];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("interrupted")]
    Interrupted,
}

#[derive(Debug)]
pub struct BuildFolder {
    entry: Entry,
}

impl BuildFolder {
    /// Clears or repairs what an earlier run left, where that is needed.
    pub fn open(entry: Entry, tree: &Path, stop: &Stop) -> Result<BuildFolder, Error> {
        let folder = BuildFolder { entry };
        let source = identity(tree)?;
        match fs::remove_dir_all(temporary(folder.path())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &temporary(folder.path()))(error));
            }
            _ => {}
        }
        let known = fs::read_to_string(folder.path().join(MADE_FROM)).unwrap_or_default();
        if known != source {
            clear(folder.path(), stop)?;
            let path = folder.path().join(MADE_FROM);
            fs::write(&path, source).map_err(io_error("write", &path))?;
        } else if folder.path().join(MARK).exists() {
            repair(folder.path(), stop)?;
        }
        folder.write_pahole()?;
        Ok(folder)
    }

    fn write_pahole(&self) -> Result<(), Error> {
        let path = pahole(self.path());
        fs::write(&path, ONE_THREAD)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(io_error("write", &path))
    }

    pub fn path(&self) -> &Path {
        self.entry.path()
    }

    /// Make is about to run.
    pub fn begin(&mut self) -> Result<(), Error> {
        let path = temporary(self.path());
        fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        let path = self.path().join(MARK);
        fs::write(&path, "").map_err(io_error("write", &path))
    }

    /// Make ended by itself, well or not: it has removed what it did not finish.
    pub fn finish(&mut self) -> Result<(), Error> {
        let path = self.path().join(MARK);
        fs::remove_file(&path).map_err(io_error("remove", &path))
    }

    /// How many objects the last complete build had.
    pub fn objects(&self) -> Option<u64> {
        fs::read_to_string(self.path().join(OBJECTS)).ok()?.trim().parse().ok()
    }

    pub fn set_objects(&mut self, objects: u64) -> Result<(), Error> {
        let path = self.path().join(OBJECTS);
        fs::write(&path, objects.to_string()).map_err(io_error("write", &path))
    }

    /// How many objects are there now.
    pub fn count_objects(&self, stop: &Stop) -> Result<u64, Error> {
        let mut count = 0;
        walk(self.path(), stop, &mut |path, _| {
            count += u64::from(path.extension().is_some_and(|extension| extension == "o"));
            Ok(())
        })?;
        Ok(count)
    }
}

pub fn pahole(folder: &Path) -> PathBuf {
    folder.join(PAHOLE)
}

pub fn temporary(folder: &Path) -> PathBuf {
    folder.join(TEMPORARY)
}

/// Changes when the tree is unpacked anew, which gives its files their old times again, so that
/// make could take an object for up to date that was made from another series. The licence is a file
/// that no series touches; one that adds files has reason to touch MAINTAINERS.
fn identity(tree: &Path) -> Result<String, Error> {
    let path = tree.join("COPYING");
    let path = if path.exists() { path } else { tree.join("Makefile") };
    let file = fs::metadata(&path).map_err(io_error("read", &path))?;
    let top = fs::metadata(tree).map_err(io_error("read", tree))?;
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

fn clear(folder: &Path, stop: &Stop) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(io_error("list", folder))? {
        if stop.is_set() {
            return Err(Error::Interrupted);
        }
        let entry = entry.map_err(io_error("list", folder))?;
        let path = entry.path();
        let is_dir = entry.file_type().map_err(io_error("read", &path))?.is_dir();
        let removed = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(io_error("remove", &path))?;
    }
    Ok(())
}

/// Removes every file that may be half-written. Everything here can be made again.
fn repair(folder: &Path, stop: &Stop) -> Result<(), Error> {
    let mut youngest = SystemTime::UNIX_EPOCH;
    walk(folder, stop, &mut |path, modified| {
        if !is_ours(path, folder) {
            youngest = youngest.max(modified);
        }
        Ok(())
    })?;
    let since = youngest - WINDOW;
    let mut doomed: Vec<PathBuf> = LINKED.iter().map(|name| folder.join(name)).collect();
    walk(folder, stop, &mut |path, modified| {
        if !is_ours(path, folder) && (modified >= since || unfinished(path, modified)) {
            doomed.push(path.to_owned());
        }
        Ok(())
    })?;
    for path in doomed {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_ours(path: &Path, folder: &Path) -> bool {
    [MARK, MADE_FROM, OBJECTS, PAHOLE].iter().any(|name| path == folder.join(name))
}

/// Kbuild writes `.X.cmd` after X (scripts/Kbuild.include, if_changed).
fn unfinished(path: &Path, modified: SystemTime) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let commanded = path.with_file_name(format!(".{name}.cmd"));
    match fs::metadata(commanded).and_then(|meta| meta.modified()) {
        Ok(finished) => finished < modified,
        Err(_) => name.ends_with(".o") || name.ends_with(".ko"),
    }
}

type Visit<'a> = dyn FnMut(&Path, SystemTime) -> Result<(), Error> + 'a;

/// Visits regular files with the time of their last change; links are not followed.
fn walk(folder: &Path, stop: &Stop, visit: &mut Visit) -> Result<(), Error> {
    if stop.is_set() {
        return Err(Error::Interrupted);
    }
    for entry in fs::read_dir(folder).map_err(io_error("list", folder))? {
        let entry = entry.map_err(io_error("list", folder))?;
        let path = entry.path();
        let meta = entry.metadata().map_err(io_error("read", &path))?;
        if meta.is_dir() {
            walk(&path, stop, visit)?;
        } else if meta.is_file() {
            visit(&path, meta.modified().map_err(io_error("read", &path))?)?;
        }
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::store::{Lookup, Room, Store};

    struct Place {
        dir: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Place {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store")).unwrap();
            let place = Place { dir, store };
            place.unpack();
            place
        }

        fn tree(&self) -> PathBuf {
            self.dir.path().join("tree")
        }

        fn unpack(&self) {
            let _ = fs::remove_dir_all(self.tree());
            fs::create_dir(self.tree()).unwrap();
            fs::write(self.tree().join("Makefile"), "").unwrap();
        }

        fn open(&self) -> BuildFolder {
            let stop = Stop::default();
            let entry = match self.store.lookup(Room::Builds, "k", &stop, || {}).unwrap() {
                Lookup::Hit(entry) => entry,
                Lookup::Miss(slot) => slot.commit().unwrap(),
            };
            BuildFolder::open(entry, &self.tree(), &stop).unwrap()
        }
    }

    /// Writes files with ages in seconds.
    fn files(folder: &BuildFolder, files: &[(&str, u64)]) {
        let now = SystemTime::now();
        for (name, age) in files {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(*age)).unwrap();
        }
    }

    fn left(folder: &BuildFolder) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".kpatch"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn after_a_kill_only_what_is_certainly_whole_stays() {
        let place = Place::new();
        let mut folder = place.open();
        folder.begin().unwrap();
        files(
            &folder,
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
        drop(folder);
        assert_eq!(
            left(&place.open()),
            [".rebuilt.o.cmd", ".vmlinux.cmd", ".whole.o.cmd", "generated.h", "whole.o"]
        );
    }

    #[test]
    fn the_window_counts_from_the_kill_and_not_from_the_repair() {
        let place = Place::new();
        let mut folder = place.open();
        folder.begin().unwrap();
        files(&folder, &[("half.h", 5000), ("last.h", 4990), ("old.h", 6000)]);
        drop(folder);
        assert_eq!(left(&place.open()), ["old.h"]);
    }

    #[test]
    fn a_folder_whose_make_ended_by_itself_is_left_alone() {
        let place = Place::new();
        let mut folder = place.open();
        folder.begin().unwrap();
        files(&folder, &[("a.o", 0), ("b.h", 0)]);
        folder.finish().unwrap();
        drop(folder);
        assert_eq!(left(&place.open()), ["a.o", "b.h"]);
    }

    #[test]
    fn pahole_works_in_one_thread() {
        use std::process::Command;
        let (place, bin) = (Place::new(), tempfile::tempdir().unwrap());
        let real = bin.path().join("pahole");
        fs::write(&real, "#!/bin/sh\nprintf '<%s>' \"$@\"\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(pahole(place.open().path()))
            .args(["-J", "-j", "--btf_gen_floats", "-j8", "--jobs=4", "--lang_exclude=rust", "a file"])
            .env("PATH", format!("{}:/usr/bin:/bin", bin.path().display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, "<-J><--btf_gen_floats><--lang_exclude=rust><a file>");
    }

    #[test]
    fn what_killed_compilers_left_is_removed() {
        let place = Place::new();
        let mut folder = place.open();
        folder.begin().unwrap();
        let left = temporary(folder.path()).join("ccabc123.s");
        fs::write(&left, "").unwrap();
        drop(folder);
        place.open();
        assert!(!left.exists());
    }

    #[test]
    fn a_series_that_names_its_maintainers_leaves_the_objects_usable() {
        let place = Place::new();
        fs::write(place.tree().join("COPYING"), "").unwrap();
        files(&place.open(), &[("a.o", 900), (".a.o.cmd", 899)]);
        fs::write(place.tree().join("MAINTAINERS"), "F: a").unwrap();
        assert_eq!(left(&place.open()), [".a.o.cmd", "a.o"]);
    }

    #[test]
    fn objects_of_a_tree_that_was_unpacked_again_are_not_used() {
        let place = Place::new();
        let folder = place.open();
        files(&folder, &[("a.o", 900), (".a.o.cmd", 899)]);
        drop(folder);
        assert_eq!(left(&place.open()), [".a.o.cmd", "a.o"]);
        place.unpack();
        assert!(left(&place.open()).is_empty());
    }
}
