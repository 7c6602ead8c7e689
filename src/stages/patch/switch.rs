//! Switches the series of a source tree in place: writes only files whose content differs, and survives being killed
//! at any point, because the next run repairs the tree.
//!
//! Next to `linux/` are `pristine/`, with the original of every file that a series may have touched, and
//! `state.json`, which lists those files. Repair is possible because a file of `linux/` changes only after its
//! original and then its name in `state.json` are safe on disk. The desired content of the tree is always computed
//! from the originals and compared with the actual content.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::error::Error;
use super::tree::{self, File, FileSet, LINK, Pristine, ReadError};
use crate::base::digest;
use crate::base::files;
use crate::kernel::tree_journal::{Original, TreeJournal};

/// One change on disk, in the order of a switch. Paths are relative to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Store the original of a file.
    Keep(&'a Path),
    /// Write the journal.
    Record,
    /// Write new content next to the tree.
    Write(&'a Path),
    /// Move new content into the tree.
    Rename(&'a Path),
    /// Remove a file from the tree.
    Remove(&'a Path),
    /// Remove a directory that a series created.
    RemoveDir(&'a Path),
    /// Remove an original that is no longer needed.
    Forget,
}

/// The result of a switch. Paths are relative to the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Switched {
    written: Vec<PathBuf>,
    removed: Vec<PathBuf>,
    /// The tree was left by a run that was killed during a switch.
    repaired: bool,
    /// Files that another program had changed while this series was in place.
    restored: Vec<PathBuf>,
}

impl Switched {
    /// Notes for the user about a repair and about restored files.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.repaired {
            notes.push("repaired the source tree: an earlier run was stopped while changing it".to_owned());
        }
        for path in &self.restored {
            notes.push(format!("restored {}, which another program had changed", path.display()));
        }
        notes
    }
}

/// The tree of one release with the changes that series made to it. The caller holds the lock of the entry.
#[derive(Debug)]
pub(super) struct Journal {
    entry: PathBuf,
    /// `None` if no series was ever applied.
    state: Option<TreeJournal>,
}

/// Called before each change on disk; an error ends the switch before it.
pub(super) type Watch<'w> = &'w mut dyn FnMut(Step) -> Result<(), Error>;

impl Pristine for Journal {
    fn file(&self, path: &Path) -> Result<Option<File>, ReadError> {
        let touched = |path: &Path| self.state.as_ref().and_then(|state| state.touched.get(path));
        // A series may have put something else in place of what is above the file.
        let above = path.ancestors().skip(1).find_map(touched);
        let is_of_series = self.state.as_ref().is_some_and(|state| state.directories.contains(path));
        match touched(path).or(above) {
            None if is_of_series => Ok(None),
            None => tree::read(&self.linux(), path),
            Some(Original::Link { .. }) if touched(path).is_none() => Err(tree::through_link()),
            Some(_) if touched(path).is_none() => Ok(None),
            Some(Original::Absent) => Ok(None),
            Some(Original::Link { target }) => {
                Ok(Some(File { content: target.clone().into_bytes(), mode: LINK }))
            }
            Some(Original::File { mode, .. }) => {
                let content = fs::read(self.original(path))?;
                Ok(Some(File { content, mode: *mode }))
            }
        }
    }
}

impl Journal {
    /// Opens the journal of `entry`, the directory that contains `linux/`. Verifies the checksums of all originals.
    ///
    /// # Errors
    /// The journal cannot be read, or an original is missing or altered.
    pub(super) fn open(entry: &Path) -> Result<Journal, Error> {
        let unreadable = |source| Error::Journal { path: TreeJournal::path(entry), source };
        let state = TreeJournal::read(entry).map_err(unreadable)?;
        if let Some(state) = &state
            && let Some(path) = state.lost_original(entry)?
        {
            return Err(Error::OriginalLost { path: path.to_owned() });
        }
        Ok(Journal { entry: entry.to_owned(), state })
    }

    fn linux(&self) -> PathBuf {
        self.entry.join("linux")
    }

    fn original(&self, path: &Path) -> PathBuf {
        TreeJournal::original(&self.entry, path)
    }

    /// Inside the entry: renaming from here into the tree does not cross file systems.
    fn staged(&self) -> PathBuf {
        self.entry.join("staged")
    }

    /// Changes the tree to its originals plus `target`. `key` identifies the series.
    ///
    /// # Errors
    /// A file operation fails, or `watch` ends the switch; the next switch repairs the tree.
    pub(super) fn switch(mut self, target: &FileSet, key: &str, watch: Watch) -> Result<Switched, Error> {
        let before = self.state.clone();
        let mut state = before.clone().unwrap_or_default();
        let mut switched =
            Switched { repaired: before.is_some() && state.applied.is_none(), ..Switched::default() };

        let originals = self.keep_originals(&mut state, target, watch)?;
        let desired = |path: &Path| target.get(path).cloned().unwrap_or_else(|| originals[path].clone());
        let mut wrong = BTreeMap::new();
        for path in state.touched.keys() {
            let file = desired(path);
            if self.current(path, &state)? != file {
                wrong.insert(path.clone(), file);
            }
        }
        if before.as_ref().is_some_and(|before| before.applied.as_deref() == Some(key)) {
            switched.restored = wrong.keys().cloned().collect();
        }
        // A kill between removing the last file of a directory and the directory leaves only the latter.
        if !wrong.is_empty() || state.directories.iter().any(|dir| !is_needed(dir, target)) {
            state.applied = None;
            let missing = wrong.iter().filter(|(_, file)| file.is_some());
            let missing: Vec<PathBuf> = missing.flat_map(|(path, _)| self.missing_dirs(path)).collect();
            state.directories.extend(missing);
            watch(Step::Record)?;
            self.record(&state)?;
            self.change(&wrong, &state, target, watch, &mut switched)?;
        }
        if switched.repaired {
            self.clear_staged()?;
        }
        self.finish(state, before.as_ref(), target, key, watch)?;
        Ok(switched)
    }

    /// Returns the originals of all files that the old or the new series touches; stores the new ones first.
    fn keep_originals(
        &self,
        state: &mut TreeJournal,
        target: &FileSet,
        watch: Watch,
    ) -> Result<FileSet, Error> {
        let mut originals = FileSet::new();
        for path in state.touched.keys().chain(target.keys()) {
            let makes_way = |above: &Path| target.get(above).is_some_and(Option::is_none);
            let file = match self.file(path) {
                // A directory takes the place of a symbolic link.
                Err(ReadError::Refused(_)) if path.ancestors().skip(1).any(makes_way) => None,
                file => file.map_err(|source| self.unreadable(path, source))?,
            };
            originals.insert(path.clone(), file);
        }
        for path in target.keys() {
            if state.touched.contains_key(path) {
                continue;
            }
            let original = match &originals[path] {
                None => Original::Absent,
                Some(file) if file.is_link() => Original::Link { target: text(path, file)? },
                Some(file) => {
                    watch(Step::Keep(path))?;
                    self.keep(path, file)?;
                    Original::File { sha256: digest::sha256(&file.content), mode: file.mode }
                }
            };
            state.touched.insert(path.clone(), original);
        }
        Ok(originals)
    }

    /// The file in the tree now. A directory in its place is an error, unless a series created it, and so is a link
    /// above it, unless a series may have put it there.
    fn current(&self, path: &Path, state: &TreeJournal) -> Result<Option<File>, Error> {
        let is_below_touched = || path.ancestors().skip(1).any(|above| state.touched.contains_key(above));
        match tree::read(&self.linux(), path) {
            Err(ReadError::NotAFile) if state.directories.contains(path) => Ok(None),
            Err(ReadError::Refused(_)) if is_below_touched() => Ok(None),
            file => file.map_err(|source| self.unreadable(path, source)),
        }
    }

    fn unreadable(&self, path: &Path, source: ReadError) -> Error {
        Error::Io(match source {
            ReadError::Io(source) => source,
            other => files::at("read", &self.linux().join(path), io::Error::other(other.to_string())),
        })
    }

    fn keep(&self, path: &Path, file: &File) -> Result<(), Error> {
        let original = self.original(path);
        self.write_synced(&original, &file.content)?;
        // The new directories must be on disk before the journal names the file.
        for dir in original.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.entry)) {
            sync_dir(dir)?;
        }
        Ok(())
    }

    /// Replaces the file atomically; its content is on disk before its name is. All files use one
    /// temporary name, outside the tree and the originals, so it cannot be the name of a file that a series changes.
    fn write_synced(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        let temporary = self.entry.join("new");
        let mut out = fs::File::create(&temporary)?;
        out.write_all(content)?;
        out.sync_all()?;
        fs::rename(&temporary, path)
    }

    fn record(&self, state: &TreeJournal) -> Result<(), Error> {
        let path = TreeJournal::path(&self.entry);
        let text = serde_json::to_vec_pretty(state).expect("a journal is plain data");
        self.write_synced(&path, &text)?;
        Ok(sync_dir(&self.entry)?)
    }

    /// Missing directories above `path`, relative to the tree.
    fn missing_dirs(&self, path: &Path) -> Vec<PathBuf> {
        let above = path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty());
        let is_dir =
            |dir: &&Path| fs::symlink_metadata(self.linux().join(dir)).is_ok_and(|meta| meta.is_dir());
        above.filter(|dir| !is_dir(dir)).map(Path::to_owned).collect()
    }

    /// Writes new content next to the tree first: a full disk shows before the tree changes. Removes before it
    /// renames: a directory can take the place of a file.
    fn change(
        &self,
        wrong: &FileSet,
        state: &TreeJournal,
        target: &FileSet,
        watch: Watch,
        switched: &mut Switched,
    ) -> Result<(), Error> {
        let staged = self.stage(wrong, watch).inspect_err(|_| drop(self.clear_staged()))?;
        for path in wrong.iter().filter(|(_, file)| file.is_none()).map(|(path, _)| path) {
            watch(Step::Remove(path))?;
            fs::remove_file(self.linux().join(path))?;
            switched.removed.push(path.clone());
        }
        for dir in state.directories.iter().rev().filter(|dir| !is_needed(dir, target)) {
            watch(Step::RemoveDir(dir))?;
            // Fails if another program keeps files in it, or if a killed run has removed it.
            let _ = fs::remove_dir(self.linux().join(dir));
        }
        for (path, staged) in staged {
            let full = self.linux().join(path);
            watch(Step::Rename(path))?;
            fs::create_dir_all(full.parent().unwrap_or(&full))?;
            fs::rename(staged, &full)?;
            switched.written.push(path.clone());
        }
        self.clear_staged()
    }

    /// Writes the new content of every file into `staged/`. No fsync: the next run compares contents, and
    /// rewrites files that a crash damaged.
    fn stage<'w>(&self, wrong: &'w FileSet, watch: Watch) -> Result<Vec<(&'w PathBuf, PathBuf)>, Error> {
        self.clear_staged()?;
        let dir = self.staged();
        fs::create_dir(&dir)?;
        let mut staged = Vec::new();
        for (path, file) in wrong {
            let Some(file) = file else { continue };
            watch(Step::Write(path))?;
            let temporary = dir.join(staged.len().to_string());
            if file.is_link() {
                symlink(OsStr::from_bytes(&file.content), &temporary)?;
            } else {
                fs::write(&temporary, &file.content)?;
                fs::set_permissions(&temporary, PermissionsExt::from_mode(file.mode))?;
            }
            staged.push((path, temporary));
        }
        Ok(staged)
    }

    fn clear_staged(&self) -> Result<(), Error> {
        files::remove_dir_if_exists(&self.staged())?;
        Ok(())
    }

    /// Records the series, and forgets the originals of files that it does not touch.
    fn finish(
        &mut self,
        mut state: TreeJournal,
        before: Option<&TreeJournal>,
        target: &FileSet,
        key: &str,
        watch: Watch,
    ) -> Result<(), Error> {
        let forgotten: Vec<PathBuf> =
            state.touched.keys().filter(|path| !target.contains_key(*path)).cloned().collect();
        state.touched.retain(|path, _| target.contains_key(path));
        state.directories.retain(|dir| is_needed(dir, target));
        state.applied = Some(key.to_owned());
        if before == Some(&state) || (before.is_none() && state.touched.is_empty()) {
            return Ok(());
        }
        watch(Step::Record)?;
        self.record(&state)?;
        for path in forgotten {
            watch(Step::Forget)?;
            // The journal no longer names it; a copy that remains is overwritten when needed.
            let original = self.original(&path);
            let _ = fs::remove_file(&original);
            for dir in original.ancestors().skip(1).take_while(|dir| *dir != self.entry) {
                if fs::remove_dir(dir).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Whether a file of `target` is below the directory.
fn is_needed(dir: &Path, target: &FileSet) -> bool {
    target.iter().any(|(path, file)| file.is_some() && path != dir && path.starts_with(dir))
}

/// The target of a link, which the journal stores as text.
fn text(path: &Path, link: &File) -> Result<String, Error> {
    let not_text = || io::Error::other("the target of the link is not UTF-8");
    String::from_utf8(link.content.clone()).map_err(|_| Error::Io(files::at("keep", path, not_text())))
}

fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
