//! Applies a series in memory: computes the content of each file before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use super::apply::{self, Place, Refusal};
use super::error::{Error, Fault};
use super::status::{AppliedPatch, PatchStatus};
use crate::base::archive::path::link_target;
use crate::base::files;
use crate::kernel::series::diff::{self, Change, FileDiff, Mode};
use crate::kernel::series::{BadName, LinkPosition, PatchFile};

/// A regular file or a symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The bytes of the file, or the target of the link.
    pub content: Vec<u8>,
    /// Permission bits, or [`LINK`].
    pub mode: u32,
}

/// The most bytes of a file that a patch may change. The largest of a kernel has about 20 MB.
const LARGEST: u64 = 32 << 20;
/// The mode of a symbolic link, as git writes it.
pub const LINK: u32 = 0o120_000;

impl File {
    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode == LINK
    }
}

/// Desired files by path relative to the tree; `None` for a file that must not exist.
pub type FileSet = BTreeMap<PathBuf, Option<File>>;

/// A tree without any series.
pub trait Pristine {
    /// Reads a file; `path` is relative to the tree. Returns `None` for a file that does not exist.
    ///
    /// # Errors
    /// The path is a directory or a special file, leads through a symbolic link, or cannot be read.
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
        if meta.is_symlink() && last {
            let target = fs::read_link(&at)?;
            return Ok(Some(File { content: target.into_os_string().into_vec(), mode: LINK }));
        } else if meta.is_symlink() {
            return Err(through_link());
        }
        if last && !meta.is_file() {
            return Err(ReadError::NotAFile);
        }
    }
    let mode = fs::metadata(&at)?.permissions().mode() & 0o7777;
    Ok(Some(File { content: files::read(&at, LARGEST)?, mode }))
}

/// The error for a path below a symbolic link, which could lead out of the tree.
pub(super) fn through_link() -> ReadError {
    ReadError::Refused(BadName::Symlink(LinkPosition::Directory))
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
    /// The patches so far whose change the tree already has: name of the patch, and where, as `file:line`.
    pub present: Vec<(String, String)>,
}

/// The effect of one patch on the overlay.
#[derive(Default)]
struct Attempt {
    files: FileSet,
    /// Each hunk with its file and its number in the file.
    places: Vec<(PathBuf, usize, Place)>,
}

/// What becomes of a patch.
enum Outcome {
    Applied(Attempt),
    /// The tree has the change, at this `file:line`.
    Present(String),
}

enum Obstacle {
    Fault(Box<Fault>),
    Read(PathBuf, ReadError),
    /// A symbolic link that leads out of the tree.
    Link(PathBuf, Vec<u8>),
}

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Obstacle {
        Obstacle::Fault(Box::new(fault))
    }
}

impl Attempt {
    fn max_offset(&self) -> u64 {
        self.places.iter().map(|(_, _, place)| place.offset.unsigned_abs()).max().unwrap_or(0)
    }

    fn moved(&self) -> impl Iterator<Item = &(PathBuf, usize, Place)> {
        self.places.iter().filter(|(_, _, place)| place.offset != 0)
    }

    /// Whether each moved hunk is in the function that its header names; `None` if no header names one.
    fn is_in_its_functions(&self) -> Option<bool> {
        let answers: Vec<bool> = self.moved().filter_map(|(_, _, place)| place.in_function).collect();
        (!answers.is_empty()).then(|| answers.into_iter().all(|answer| answer))
    }

    /// The first hunk that moved, else the first file, as `file:line`.
    fn somewhere(&self) -> String {
        match self.moved().next().or(self.places.first()) {
            Some((path, _, place)) => format!("{}:{}", path.display(), place.line),
            None => self.files.keys().next().map(|path| path.display().to_string()).unwrap_or_default(),
        }
    }
}

impl<'p> Overlay<'p> {
    /// A tree without patches.
    pub fn new(pristine: &'p dyn Pristine) -> Overlay<'p> {
        Overlay { pristine, files: FileSet::new(), moves: Vec::new(), present: Vec::new() }
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
        let (status, max_offset) = match self.unless_upstream(forward, patch, &diffs)? {
            Outcome::Applied(attempt) => {
                let max_offset = attempt.max_offset();
                self.accept(attempt, patch);
                (PatchStatus::Applied, max_offset)
            }
            Outcome::Present(place) => {
                self.present.push((patch.name.clone(), place));
                (PatchStatus::AlreadyUpstream, 0)
            }
        };
        Ok(AppliedPatch { file: patch.name.clone(), sha256: patch.sha256(), status, max_offset })
    }

    /// Decides whether the tree already contains the patch.
    fn unless_upstream(
        &self,
        forward: Result<Attempt, Obstacle>,
        patch: &PatchFile,
        diffs: &[FileDiff],
    ) -> Result<Outcome, Error> {
        let conflict = |fault| Err(Error::Conflict { patch: patch.name.clone(), fault });
        match forward {
            Err(Obstacle::Read(path, source)) => Err(read_error(patch, path, source, diffs)),
            Err(Obstacle::Link(path, target)) => Err(Error::EscapingLink {
                patch: patch.name.clone(),
                line: line_of(diffs, &path),
                path,
                target: String::from_utf8_lossy(&target).into_owned(),
            }),
            Ok(attempt) if self.changes_nothing(&attempt) => Ok(Outcome::Present(attempt.somewhere())),
            // Nothing is nearer than the lines in the headers.
            Ok(attempt) if attempt.max_offset() == 0 => Ok(Outcome::Applied(attempt)),
            Ok(attempt) => match self.undo(diffs).filter(|undo| undo.max_offset() < attempt.max_offset()) {
                None => Ok(Outcome::Applied(attempt)),
                // A fit far away may be similar code, while the code that the patch is for is already changed.
                Some(undo) => match (attempt.is_in_its_functions(), undo.is_in_its_functions()) {
                    (Some(true), Some(false)) => Ok(Outcome::Applied(attempt)),
                    (Some(false), _) => Ok(Outcome::Present(undo.somewhere())),
                    _ if undo.max_offset() == 0 => Ok(Outcome::Present(undo.somewhere())),
                    _ => conflict(Box::new(Fault::BothWays {
                        forward: attempt.somewhere(),
                        present: undo.somewhere(),
                    })),
                },
            },
            Err(Obstacle::Fault(fault)) => match self.undo(diffs) {
                Some(undo) => Ok(Outcome::Present(undo.somewhere())),
                None => conflict(fault),
            },
        }
    }

    fn changes_nothing(&self, attempt: &Attempt) -> bool {
        attempt.files.iter().all(|(path, file)| self.file(path).is_ok_and(|now| now == *file))
    }

    /// The effect of undoing the patch, if it can be undone here.
    fn undo(&self, diffs: &[FileDiff]) -> Option<Attempt> {
        let undo: Vec<FileDiff> = diffs.iter().rev().map(FileDiff::reversed).collect();
        self.attempt(&undo).ok().filter(|attempt| !self.changes_nothing(attempt))
    }

    fn accept(&mut self, attempt: Attempt, patch: &PatchFile) {
        self.moves.extend(attempt.moved().map(|(path, hunk, place)| Move {
            patch: patch.name.clone(),
            path: path.clone(),
            hunk: *hunk,
            lines: place.offset,
        }));
        self.files.extend(attempt.files);
    }

    fn file(&self, path: &Path) -> Result<Option<File>, Obstacle> {
        match self.files.get(path) {
            Some(file) => Ok(file.clone()),
            None => self.pristine.file(path).map_err(|error| Obstacle::Read(path.to_owned(), error)),
        }
    }

    fn attempt(&self, diffs: &[FileDiff]) -> Result<Attempt, Obstacle> {
        let mut attempt = Attempt::default();
        for commit in diffs.chunk_by(|one, next| one.commit == next.commit) {
            // In a git patch, sources of renames and copies have the content before the patch, and one file may leave
            // a name that another one gets, in any order.
            let leaving: BTreeSet<&Path> = commit.iter().filter_map(leaves).collect();
            let before = attempt.files.clone();
            for diff in commit {
                self.attempt_file(diff, &leaving, &before, &mut attempt)?;
            }
        }
        Ok(attempt)
    }

    /// The file after `files`, the changes so far. Names in `leaving` are free for the files below them.
    fn current(
        &self,
        files: &FileSet,
        leaving: &BTreeSet<&Path>,
        path: &Path,
    ) -> Result<Option<File>, Obstacle> {
        let known = |path: &Path| files.get(path).or_else(|| self.files.get(path));
        let mut is_free = false;
        for above in above(path) {
            match known(above) {
                _ if leaving.contains(above) => is_free = true,
                Some(None) => is_free = true,
                Some(Some(file)) if file.is_link() => {
                    return Err(Obstacle::Read(path.to_owned(), through_link()));
                }
                _ => {}
            }
        }
        match known(path) {
            Some(file) => Ok(file.clone()),
            None if is_free => Ok(None),
            None => self.pristine.file(path).map_err(|error| Obstacle::Read(path.to_owned(), error)),
        }
    }

    /// Refuses a new file below another file, and one in place of a directory that earlier patches created.
    fn check_free(&self, files: &FileSet, leaving: &BTreeSet<&Path>, path: &Path) -> Result<(), Obstacle> {
        let stays = |other: &Path| {
            !leaving.contains(other) && matches!(self.current(files, leaving, other), Ok(Some(_)))
        };
        let below = |files: &FileSet| {
            let after = files.range(path.to_owned()..).skip_while(|(other, _)| *other == path);
            let mut below = after.take_while(|(other, _)| other.starts_with(path));
            below.find(|(other, _)| stays(other)).map(|(other, _)| other.clone())
        };
        let in_way = above(path).find(|above| stays(above)).map(Path::to_owned);
        match in_way.or_else(|| below(files)).or_else(|| below(&self.files)) {
            Some(path) => Err(Fault::Exists { path }.into()),
            None => Ok(()),
        }
    }

    fn attempt_file(
        &self,
        diff: &FileDiff,
        leaving: &BTreeSet<&Path>,
        before: &FileSet,
        attempt: &mut Attempt,
    ) -> Result<(), Obstacle> {
        let current = |attempt: &Attempt, path: &Path| self.current(&attempt.files, leaving, path);
        let existing = |file: Option<File>, path: &Path| {
            file.ok_or_else(|| Obstacle::from(Fault::Missing { path: path.to_owned() }))
        };
        match &diff.change {
            Change::Modify(path) => {
                let file = existing(current(attempt, path)?, path)?;
                let file = changed(diff, path, file, attempt)?;
                check_link(path, &file)?;
                attempt.files.insert(path.clone(), Some(file));
            }
            Change::Fill(path) => {
                self.check_free(&attempt.files, leaving, path)?;
                let file = current(attempt, path)?.unwrap_or_else(new_file);
                let file = changed(diff, path, file, attempt)?;
                attempt.files.insert(path.clone(), Some(file));
            }
            Change::Create(path) => {
                if current(attempt, path)?.is_some() && !leaving.contains(path.as_path()) {
                    return Err(Fault::Exists { path: path.clone() }.into());
                }
                self.check_free(&attempt.files, leaving, path)?;
                let file = changed(diff, path, new_file(), attempt)?;
                check_link(path, &file)?;
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
                let file = existing(self.current(before, &BTreeSet::new(), from)?, from)?;
                if from != to && !leaving.contains(to.as_path()) && current(attempt, to)?.is_some() {
                    return Err(Fault::Exists { path: to.clone() }.into());
                }
                self.check_free(&attempt.files, leaving, to)?;
                let file = changed(diff, from, file, attempt)?;
                check_link(to, &file)?;
                if matches!(diff.change, Change::Rename { .. }) {
                    let is_taken = attempt.files.get(from) != before.get(from);
                    if !is_taken {
                        attempt.files.insert(from.clone(), None);
                    }
                }
                attempt.files.insert(to.clone(), Some(file));
            }
        }
        Ok(())
    }
}

/// The directories above a path, without the top one.
fn above(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty())
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
    let is_new = matches!(diff.change, Change::Create(_));
    if !is_new && file.is_link() != diff.is_link() && diff.changes_content() {
        // Only git reads a diff without a mode as one of the link's target.
        let position = BadName::Symlink(LinkPosition::File);
        return match file.is_link() {
            true => Err(Obstacle::Read(path.to_owned(), ReadError::Refused(position))),
            false => Err(Fault::NotALink { path: path.to_owned() }.into()),
        };
    }
    let content = match &diff.binary {
        None => with_hunks(diff, path, &file.content, attempt)?,
        Some(binary) => {
            let content = (!is_new).then_some(file.content.as_slice());
            let fault = |fault| Fault::Binary { path: path.to_owned(), fault };
            binary.apply(content).map_err(fault)?
        }
    };
    let mode = match diff.new_mode {
        Some(Mode::Executable) => file.mode | (file.mode & 0o444) >> 2,
        Some(Mode::Plain) => file.mode & !0o111,
        Some(Mode::Link) => LINK,
        None => file.mode,
    };
    Ok(File { content, mode })
}

fn with_hunks(
    diff: &FileDiff,
    path: &Path,
    content: &[u8],
    attempt: &mut Attempt,
) -> Result<Vec<u8>, Obstacle> {
    let path = || path.to_owned();
    let applied = apply::apply(content, &diff.hunks).map_err(|refusal| match refusal {
        Refusal::Misfit(misfit) if is_out_of_order(&diff.hunks, misfit.number) => {
            Fault::OutOfOrder { path: path(), number: misfit.number }
        }
        Refusal::Misfit(misfit) => Fault::Misfit {
            path: path(),
            misfit,
            hunks: diff.hunks.len(),
            present: apply::present(content, &diff.hunks),
        },
        Refusal::Ambiguous(places) => Fault::Ambiguous { path: path(), places },
    })?;
    let places = applied.places.iter().enumerate();
    attempt.places.extend(places.map(|(index, place)| (path(), index + 1, *place)));
    Ok(applied.content)
}

/// Whether the hunk with this number, from 1, is for lines above the hunk before it.
fn is_out_of_order(hunks: &[diff::Hunk], number: usize) -> bool {
    let pair = number.checked_sub(2).and_then(|before| hunks.get(before..number));
    pair.is_some_and(|pair| pair[1].old_start < pair[0].old_start)
}

/// Refuses a symbolic link at `path` that leads out of the tree. Nothing else could be in its journal either.
fn check_link(path: &Path, file: &File) -> Result<(), Obstacle> {
    let is_good = !file.is_link()
        || (link_target(path, &file.content).is_ok()
            && !file.content.contains(&b'\n')
            && std::str::from_utf8(&file.content).is_ok());
    if is_good { Ok(()) } else { Err(Obstacle::Link(path.to_owned(), file.content.clone())) }
}

/// The first line of the patch that is about the file, from 1.
fn line_of(diffs: &[FileDiff], path: &Path) -> usize {
    let touches = |diff: &&FileDiff| match &diff.change {
        Change::Modify(file) | Change::Create(file) | Change::Fill(file) => file == path,
        Change::Delete(file) | Change::Uncopy(file) => file == path,
        Change::Rename { from, to } | Change::Copy { from, to } => from == path || to == path,
    };
    diffs.iter().find(touches).map_or(1, |diff| diff.line)
}

fn read_error(patch: &PatchFile, path: PathBuf, source: ReadError, diffs: &[FileDiff]) -> Error {
    let patch = patch.name.clone();
    let line = line_of(diffs, &path);
    match source {
        ReadError::Refused(why) => Error::OutsideTree { patch, line, path, why },
        ReadError::NotAFile => Error::NotAFile { patch, line, path },
        ReadError::Io(source) => Error::Io(source),
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
