//! Switching series in place: only files whose content differs are written, and a run that is
//! killed at any point leaves a tree that the next one puts right.
//!
//! Beside `linux/` lie `pristine/`, the originals of every file that a series may have
//! touched, and `state.json`, which lists those files. The rule that makes repair possible: a
//! file of `linux/` is changed only after its original and then its name in `state.json` are
//! safe on disk. What the tree should hold is always computed from the originals and compared
//! with what it does hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Error;
use super::tree::{self, File, Files, Pristine, ReadError};
use crate::base::cache_key::hex;

/// `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Key of the series that the tree holds; `None` while a switch is under way.
    applied: Option<String>,
    /// Every file that may differ from its original.
    touched: BTreeMap<PathBuf, Original>,
    /// Folders that series made.
    folders: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Original {
    Absent,
    File { sha256: String, mode: u32 },
}

/// One change that a switch is about to make on disk. Those of the journal come first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    Keep(&'a Path),
    Record,
    Write(&'a Path),
    Rename(&'a Path),
    Remove(&'a Path),
    RemoveFolder(&'a Path),
    Forget,
}

/// What a switch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switched {
    pub written: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
    /// An earlier run had been killed in the middle.
    pub repaired: bool,
    /// Files that somebody else had changed although the right series was in place.
    pub put_back: Vec<PathBuf>,
}

impl Switched {
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.repaired {
            notes.push(
                "an earlier run was stopped while it changed the source tree; it is right now".to_owned(),
            );
        }
        for path in &self.put_back {
            notes.push(format!("{} had been changed by somebody else and was put back", path.display()));
        }
        notes
    }
}

/// The tree of one release and what has been done to it. The caller holds the entry's lock.
#[derive(Debug)]
pub struct Journal {
    entry: PathBuf,
    /// `None`: no series was ever applied.
    state: Option<State>,
}

/// Called before each change on disk; an error stops the switch there.
pub type Watch<'w> = &'w mut dyn FnMut(Step) -> Result<(), Error>;

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

impl Pristine for Journal {
    fn file(&self, path: &Path) -> Result<Option<File>, ReadError> {
        match self.state.as_ref().and_then(|state| state.touched.get(path)) {
            None => tree::read(&self.linux(), path),
            Some(Original::Absent) => Ok(None),
            Some(Original::File { mode, .. }) => {
                let content = fs::read(self.kept(path))?;
                Ok(Some(File { content, mode: *mode }))
            }
        }
    }
}

impl Journal {
    /// `entry` holds `linux/`. Originals are checked against their checksums.
    pub fn open(entry: &Path) -> Result<Journal, Error> {
        let mut journal = Journal { entry: entry.to_owned(), state: None };
        let path = journal.state_path();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
            text => text.map_err(io_error("read", &path))?,
        };
        let state: State = serde_json::from_slice(&text).map_err(|source| Error::Journal { path, source })?;
        for (path, original) in &state.touched {
            journal.check_original(path, original)?;
        }
        journal.state = Some(state);
        Ok(journal)
    }

    fn linux(&self) -> PathBuf {
        self.entry.join("linux")
    }

    fn kept(&self, path: &Path) -> PathBuf {
        self.entry.join("pristine").join(path)
    }

    /// In the entry, so that a rename into the tree stays within the file system.
    fn staged(&self) -> PathBuf {
        self.entry.join("staged")
    }

    fn state_path(&self) -> PathBuf {
        self.entry.join("state.json")
    }

    fn check_original(&self, path: &Path, original: &Original) -> Result<(), Error> {
        let Original::File { sha256, .. } = original else { return Ok(()) };
        match fs::read(self.kept(path)) {
            Ok(content) if hex(&Sha256::digest(&content)) == *sha256 => Ok(()),
            Ok(_) => Err(Error::OriginalLost { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::OriginalLost { path: path.to_owned() })
            }
            Err(error) => Err(io_error("read", &self.kept(path))(error)),
        }
    }

    /// Makes the tree hold `target` on top of its originals. `key` names the series.
    pub fn switch(mut self, target: &Files, key: &str, watch: Watch) -> Result<Switched, Error> {
        let before = self.state.clone();
        let mut state = before.clone().unwrap_or_default();
        let mut done =
            Switched { repaired: before.is_some() && state.applied.is_none(), ..Switched::default() };

        let originals = self.keep_originals(&mut state, target, watch)?;
        let desired = |path: &Path| target.get(path).cloned().unwrap_or_else(|| originals[path].clone());
        let mut wrong = BTreeMap::new();
        for path in state.touched.keys() {
            let want = desired(path);
            if self.holds(path, &state)? != want {
                wrong.insert(path.clone(), want);
            }
        }
        if before.as_ref().is_some_and(|before| before.applied.as_deref() == Some(key)) {
            done.put_back = wrong.keys().cloned().collect();
        }
        // A kill between the last file and its folder leaves only the folder to be removed.
        if !wrong.is_empty() || state.folders.iter().any(|folder| !needed(folder, target)) {
            state.applied = None;
            let missing = wrong.iter().filter(|(_, file)| file.is_some());
            let missing: Vec<PathBuf> = missing.flat_map(|(path, _)| self.missing_folders(path)).collect();
            state.folders.extend(missing);
            watch(Step::Record)?;
            self.record(&state)?;
            self.change(&wrong, &state, target, watch, &mut done)?;
        }
        if done.repaired {
            self.clear_staged()?;
        }
        self.finish(state, before.as_ref(), target, key, watch)?;
        Ok(done)
    }

    /// The originals of all files that the old or the new series touches, new ones kept first.
    fn keep_originals(&self, state: &mut State, target: &Files, watch: Watch) -> Result<Files, Error> {
        let mut originals = Files::new();
        for path in state.touched.keys().chain(target.keys()) {
            let file = self.file(path).map_err(|source| self.unreadable(path, source))?;
            originals.insert(path.clone(), file);
        }
        for path in target.keys() {
            if state.touched.contains_key(path) {
                continue;
            }
            let original = match &originals[path] {
                None => Original::Absent,
                Some(file) => {
                    watch(Step::Keep(path))?;
                    self.keep(path, file)?;
                    Original::File { sha256: hex(&Sha256::digest(&file.content)), mode: file.mode }
                }
            };
            state.touched.insert(path.clone(), original);
        }
        Ok(originals)
    }

    /// What the tree holds now. A link or folder put where a file belongs is an error, unless a
    /// series made the folder.
    fn holds(&self, path: &Path, state: &State) -> Result<Option<File>, Error> {
        match tree::read(&self.linux(), path) {
            Err(ReadError::NotAFile) if state.folders.contains(path) => Ok(None),
            held => held.map_err(|source| self.unreadable(path, source)),
        }
    }

    fn unreadable(&self, path: &Path, source: ReadError) -> Error {
        let source = match source {
            ReadError::Io(source) => source,
            other => io::Error::other(other.to_string()),
        };
        Error::Io { action: "read", path: self.linux().join(path), source }
    }

    fn keep(&self, path: &Path, file: &File) -> Result<(), Error> {
        let kept = self.kept(path);
        write_synced(&kept, &file.content).map_err(io_error("keep the original", &kept))?;
        // The folders that were made on the way must be on disk before the journal names the file.
        for folder in kept.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.entry)) {
            sync_folder(folder).map_err(io_error("write", folder))?;
        }
        Ok(())
    }

    fn record(&self, state: &State) -> Result<(), Error> {
        let path = self.state_path();
        let text = serde_json::to_vec_pretty(state)
            .map_err(|source| Error::Journal { path: path.clone(), source })?;
        write_synced(&path, &text).and_then(|()| sync_folder(&self.entry)).map_err(io_error("write", &path))
    }

    /// Folders above `path` that are not there, by their path in the tree.
    fn missing_folders(&self, path: &Path) -> Vec<PathBuf> {
        let above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        above.filter(|folder| !self.linux().join(folder).is_dir()).map(Path::to_owned).collect()
    }

    /// New content is written out beside the tree first: a full disk is met before the tree is
    /// touched. Removals come before renames, so that a folder can take the place of a file.
    fn change(
        &self,
        wrong: &Files,
        state: &State,
        target: &Files,
        watch: Watch,
        done: &mut Switched,
    ) -> Result<(), Error> {
        let staged = self.stage(wrong, watch).inspect_err(|_| drop(self.clear_staged()))?;
        for path in wrong.iter().filter(|(_, file)| file.is_none()).map(|(path, _)| path) {
            watch(Step::Remove(path))?;
            let full = self.linux().join(path);
            fs::remove_file(&full).map_err(io_error("remove", &full))?;
            done.removed.push(path.clone());
        }
        for folder in state.folders.iter().rev().filter(|folder| !needed(folder, target)) {
            watch(Step::RemoveFolder(folder))?;
            // Not empty: somebody else keeps something there. Not there: removed before a kill.
            let _ = fs::remove_dir(self.linux().join(folder));
        }
        for (path, staged) in staged {
            let full = self.linux().join(path);
            watch(Step::Rename(path))?;
            fs::create_dir_all(full.parent().unwrap_or(&full))
                .and_then(|()| fs::rename(staged, &full))
                .map_err(io_error("write", &full))?;
            done.written.push(path.clone());
        }
        self.clear_staged()
    }

    /// Writes the new content of every file into `staged/`. No fsync: what a crash spoils is
    /// noticed by content and written again.
    fn stage<'w>(&self, wrong: &'w Files, watch: Watch) -> Result<Vec<(&'w PathBuf, PathBuf)>, Error> {
        self.clear_staged()?;
        let folder = self.staged();
        fs::create_dir(&folder).map_err(io_error("create", &folder))?;
        let mut staged = Vec::new();
        for (path, file) in wrong {
            let Some(file) = file else { continue };
            watch(Step::Write(path))?;
            let temporary = folder.join(staged.len().to_string());
            fs::write(&temporary, &file.content)
                .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(file.mode)))
                .map_err(io_error("write", &temporary))?;
            staged.push((path, temporary));
        }
        Ok(staged)
    }

    fn clear_staged(&self) -> Result<(), Error> {
        let folder = self.staged();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &folder)(error)),
            _ => Ok(()),
        }
    }

    /// Forgets what is no longer touched, once the tree is right.
    fn finish(
        &mut self,
        mut state: State,
        before: Option<&State>,
        target: &Files,
        key: &str,
        watch: Watch,
    ) -> Result<(), Error> {
        let gone: Vec<PathBuf> =
            state.touched.keys().filter(|path| !target.contains_key(*path)).cloned().collect();
        state.touched.retain(|path, _| target.contains_key(path));
        state.folders.retain(|folder| needed(folder, target));
        state.applied = Some(key.to_owned());
        if before == Some(&state) || (before.is_none() && state.touched.is_empty()) {
            return Ok(());
        }
        watch(Step::Record)?;
        self.record(&state)?;
        for path in gone {
            watch(Step::Forget)?;
            // Nothing refers to it any more; a copy that stays behind is overwritten when needed.
            let kept = self.kept(&path);
            let _ = fs::remove_file(&kept);
            for folder in kept.ancestors().skip(1).take_while(|folder| *folder != self.entry) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn needed(folder: &Path, target: &Files) -> bool {
    target.iter().any(|(path, file)| file.is_some() && path.starts_with(folder))
}

/// In the same folder, so that it can be renamed.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let temporary = temporary(path);
    let mut out = fs::File::create(&temporary)?;
    out.write_all(content)?;
    out.sync_all()?;
    fs::rename(&temporary, path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
