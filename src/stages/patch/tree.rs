//! Applies a series in memory: computes the content of each file before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use super::apply;
use super::error::{Error, Fault};
use super::status::{AppliedPatch, PatchStatus};
use crate::kernel::series::diff::{self, Change, FileDiff};
use crate::kernel::series::{BadName, LinkPosition, PatchFile};

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The bytes.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Desired files by path relative to the tree; `None` for a file that must not exist.
pub type FileSet = BTreeMap<PathBuf, Option<File>>;

/// A tree without any series.
pub trait Pristine {
    /// Reads a file; `path` is relative to the tree. Returns `None` for a file that does not exist.
    ///
    /// # Errors
    /// The path is not a regular file, leads through a symbolic link, or cannot be read.
    fn file(&self, path: &Path) -> Result<Option<File>, ReadError>;
}

/// Why a file of the tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The path could leave the tree.
    #[error("{0}")]
    Refused(BadName),
    /// A directory or a special file.
    #[error("it is not a regular file")]
    NotAFile,
    /// A file operation failed; the error names operation and path.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A source tree that no series was applied to.
#[derive(Debug)]
pub struct PristineDir<'p>(
    /// Path of the tree.
    pub &'p Path,
);

impl Pristine for PristineDir<'_> {
    fn file(&self, path: &Path) -> Result<Option<File>, ReadError> {
        read(self.0, path)
    }
}

/// Reads `root/path` without following symbolic links below `root`.
pub(super) fn read(root: &Path, path: &Path) -> Result<Option<File>, ReadError> {
    let mut at = root.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return Err(ReadError::Refused(BadName::Parent)) };
        at.push(name);
        let meta = match fs::symlink_metadata(&at) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            meta => meta?,
        };
        let last = parts.peek().is_none();
        if meta.is_symlink() {
            let position = if last { LinkPosition::File } else { LinkPosition::Directory };
            return Err(ReadError::Refused(BadName::Symlink(position)));
        }
        if last && !meta.is_file() {
            return Err(ReadError::NotAFile);
        }
    }
    let mode = fs::metadata(&at)?.permissions().mode() & 0o7777;
    Ok(Some(File { content: fs::read(&at)?, mode }))
}

/// A hunk that applies at another line than its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Name of the patch.
    pub patch: String,
    /// Relative to the tree.
    pub path: PathBuf,
    /// Number of the hunk among those of the file, from 1.
    pub hunk: usize,
    /// Distance in lines; negative towards the start of the file.
    pub lines: i64,
}

/// A tree with patches applied in memory.
pub struct Overlay<'p> {
    pristine: &'p dyn Pristine,
    files: FileSet,
    /// The hunks so far that apply at another line than their header says.
    pub moves: Vec<Move>,
}

/// The effect of one patch on the overlay.
#[derive(Default)]
struct Attempt {
    files: FileSet,
    moves: Vec<(PathBuf, usize, i64)>,
}

enum Obstacle {
    Fault(Box<Fault>),
    Read(PathBuf, ReadError),
}

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Obstacle {
        Obstacle::Fault(Box::new(fault))
    }
}

impl Attempt {
    fn max_offset(&self) -> u64 {
        self.moves.iter().map(|(_, _, lines)| lines.unsigned_abs()).max().unwrap_or(0)
    }
}

impl<'p> Overlay<'p> {
    /// A tree without patches.
    pub fn new(pristine: &'p dyn Pristine) -> Overlay<'p> {
        Overlay { pristine, files: FileSet::new(), moves: Vec::new() }
    }

    /// Every file that the patches so far touch, with its new content.
    pub fn into_files(self) -> FileSet {
        self.files
    }

    /// Applies one patch, completely or not at all.
    ///
    /// # Errors
    /// The patch is malformed, does not apply, or touches a file that cannot be read.
    pub fn apply(&mut self, patch: &PatchFile) -> Result<AppliedPatch, Error> {
        let diffs = diff::parse(&patch.content, patch.reading).map_err(|source| match source.problem {
            diff::Problem::OutsideTree { path, why } => {
                Error::OutsideTree { patch: patch.name.clone(), line: source.line, path: path.into(), why }
            }
            _ => Error::Unreadable { patch: patch.name.clone(), source },
        })?;
        let forward = self.attempt(&diffs);
        let forward = self.unless_upstream(forward, patch, &diffs)?;
        let (status, max_offset) = match forward {
            Some(attempt) => {
                let max_offset = attempt.max_offset();
                self.accept(attempt, patch);
                (PatchStatus::Applied, max_offset)
            }
            None => (PatchStatus::AlreadyUpstream, 0),
        };
        Ok(AppliedPatch { file: patch.name.clone(), sha256: patch.sha256(), status, max_offset })
    }

    /// Returns `None` if the tree already contains the patch.
    fn unless_upstream(
        &self,
        forward: Result<Attempt, Obstacle>,
        patch: &PatchFile,
        diffs: &[FileDiff],
    ) -> Result<Option<Attempt>, Error> {
        match forward {
            Err(Obstacle::Read(path, source)) => Err(read_error(patch, path, source, diffs)),
            Ok(attempt) if self.changes_nothing(&attempt) => Ok(None),
            // A fit far away may be similar code, while the code that the patch is for is already changed.
            Ok(attempt) => match self.undo_offset(diffs) {
                Some(offset) if offset < attempt.max_offset() => Ok(None),
                _ => Ok(Some(attempt)),
            },
            Err(Obstacle::Fault(_)) if self.undo_offset(diffs).is_some() => Ok(None),
            Err(Obstacle::Fault(fault)) => Err(Error::Conflict { patch: patch.name.clone(), fault }),
        }
    }

    fn changes_nothing(&self, attempt: &Attempt) -> bool {
        attempt.files.iter().all(|(path, file)| self.file(path).is_ok_and(|now| now == *file))
    }

    /// Largest offset of the hunks if the patch can be undone here.
    fn undo_offset(&self, diffs: &[FileDiff]) -> Option<u64> {
        let undo: Vec<FileDiff> = diffs.iter().rev().map(FileDiff::reversed).collect();
        let attempt = self.attempt(&undo).ok()?;
        (!self.changes_nothing(&attempt)).then(|| attempt.max_offset())
    }

    fn accept(&mut self, attempt: Attempt, patch: &PatchFile) {
        self.files.extend(attempt.files);
        let moves = attempt.moves.into_iter().map(|(path, hunk, lines)| Move {
            patch: patch.name.clone(),
            path,
            hunk,
            lines,
        });
        self.moves.extend(moves);
    }

    fn file(&self, path: &Path) -> Result<Option<File>, Obstacle> {
        match self.files.get(path) {
            Some(file) => Ok(file.clone()),
            None => self.pristine.file(path).map_err(|error| Obstacle::Read(path.to_owned(), error)),
        }
    }

    fn attempt(&self, diffs: &[FileDiff]) -> Result<Attempt, Obstacle> {
        // In a git patch, sources of renames and copies have the content before the patch, and one file may leave
        // a name that another one gets, in any order.
        let leaving: BTreeSet<&Path> = diffs.iter().filter_map(leaves).collect();
        let mut attempt = Attempt::default();
        for diff in diffs {
            self.attempt_file(diff, &leaving, &mut attempt)?;
        }
        Ok(attempt)
    }

    fn attempt_file(
        &self,
        diff: &FileDiff,
        leaving: &BTreeSet<&Path>,
        attempt: &mut Attempt,
    ) -> Result<(), Obstacle> {
        let current = |attempt: &Attempt, path: &Path| match attempt.files.get(path) {
            Some(file) => Ok(file.clone()),
            None => self.file(path),
        };
        let existing = |file: Option<File>, path: &Path| {
            file.ok_or_else(|| Obstacle::from(Fault::Missing { path: path.to_owned() }))
        };
        match &diff.change {
            Change::Modify(path) => {
                let file = existing(current(attempt, path)?, path)?;
                let file = changed(diff, path, file, attempt)?;
                attempt.files.insert(path.clone(), Some(file));
            }
            Change::Fill(path) => {
                let file = current(attempt, path)?.unwrap_or_else(new_file);
                let file = changed(diff, path, file, attempt)?;
                attempt.files.insert(path.clone(), Some(file));
            }
            Change::Create(path) => {
                if current(attempt, path)?.is_some() && !leaving.contains(path.as_path()) {
                    return Err(Fault::Exists { path: path.clone() }.into());
                }
                let file = changed(diff, path, new_file(), attempt)?;
                attempt.files.insert(path.clone(), Some(file));
            }
            Change::Delete(path) | Change::Uncopy(path) => {
                let file = existing(current(attempt, path)?, path)?;
                let left = changed(diff, path, file, attempt)?;
                if matches!(diff.change, Change::Delete(_)) && !left.content.is_empty() {
                    return Err(Fault::Leftover { path: path.clone() }.into());
                }
                attempt.files.insert(path.clone(), None);
            }
            Change::Rename { from, to } | Change::Copy { from, to } => {
                let file = existing(self.file(from)?, from)?;
                if from != to && !leaving.contains(to.as_path()) && current(attempt, to)?.is_some() {
                    return Err(Fault::Exists { path: to.clone() }.into());
                }
                let file = changed(diff, from, file, attempt)?;
                if matches!(diff.change, Change::Rename { .. }) {
                    attempt.files.entry(from.clone()).or_insert(None);
                }
                attempt.files.insert(to.clone(), Some(file));
            }
        }
        Ok(())
    }
}

fn new_file() -> File {
    File { content: Vec::new(), mode: 0o644 }
}

/// The name that a file leaves.
fn leaves(diff: &FileDiff) -> Option<&Path> {
    match &diff.change {
        Change::Rename { from, .. } => Some(from),
        Change::Delete(path) | Change::Uncopy(path) => Some(path),
        Change::Modify(_) | Change::Create(_) | Change::Fill(_) | Change::Copy { .. } => None,
    }
}

fn changed(diff: &FileDiff, path: &Path, file: File, attempt: &mut Attempt) -> Result<File, Obstacle> {
    let applied = apply::apply(&file.content, &diff.hunks).map_err(|misfit| Fault::Misfit {
        path: path.to_owned(),
        misfit,
        hunks: diff.hunks.len(),
        present: apply::present(&file.content, &diff.hunks),
    })?;
    let moved = applied.offsets.iter().enumerate().filter(|(_, lines)| **lines != 0);
    attempt.moves.extend(moved.map(|(index, lines)| (path.to_owned(), index + 1, *lines)));
    let mode = match diff.new_executable {
        Some(true) => file.mode | (file.mode & 0o444) >> 2,
        Some(false) => file.mode & !0o111,
        None => file.mode,
    };
    Ok(File { content: applied.content, mode })
}

fn read_error(patch: &PatchFile, path: PathBuf, source: ReadError, diffs: &[FileDiff]) -> Error {
    let patch = patch.name.clone();
    let touches = |diff: &&FileDiff| match &diff.change {
        Change::Modify(file) | Change::Create(file) | Change::Fill(file) => *file == path,
        Change::Delete(file) | Change::Uncopy(file) => *file == path,
        Change::Rename { from, to } | Change::Copy { from, to } => *from == path || *to == path,
    };
    let line = diffs.iter().find(touches).map_or(1, |diff| diff.line);
    match source {
        ReadError::Refused(why) => Error::OutsideTree { patch, line, path, why },
        ReadError::NotAFile => Error::NotAFile { patch, line, path },
        ReadError::Io(source) => Error::Io(source),
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
