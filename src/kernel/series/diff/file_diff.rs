//! The parts of a patch.

use std::path::PathBuf;

use super::binary::BinaryPatch;

/// How to read the paths and the direction of a patch; quilt records both for each patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Number of leading path components to drop, as in `patch -pN`.
    pub strip: usize,
    /// Undo the patch instead of applying it.
    pub reverse: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { strip: 1, reverse: false }
    }
}

/// The change of one file. Paths are relative to the top directory of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file keeps its name.
    Modify(PathBuf),
    /// The file must not exist.
    Create(PathBuf),
    /// The file is empty or missing: a diff without git's header does not distinguish them.
    Fill(PathBuf),
    /// The hunks remove the whole content.
    Delete(PathBuf),
    /// The file changes its name, and perhaps its content.
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// A second file with the content of the first, perhaps changed.
    Copy {
        /// The existing file.
        from: PathBuf,
        /// The new file.
        to: PathBuf,
    },
    /// The reverse of a copy: the hunks restore the content of the source, and the file is removed.
    Uncopy(PathBuf),
}

/// The part of a patch that changes one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// First line of the part, from 1.
    pub line: usize,
    /// Number of the commit, from 0: a file may hold several, one after the other.
    pub commit: usize,
    /// What happens to the file.
    pub change: Change,
    /// The mode before the change; `None` if the patch does not have it.
    pub old_mode: Option<Mode>,
    /// The mode after the change; `None` if the patch does not have it.
    pub new_mode: Option<Mode>,
    /// The changes of the content, in the order of the patch.
    pub hunks: Vec<Hunk>,
    /// The change of a binary file, in place of hunks.
    pub binary: Option<BinaryPatch>,
}

/// The modes that git gives to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `100644`.
    Plain,
    /// `100755`.
    Executable,
    /// `120000`: a symbolic link, whose content is its target.
    Link,
}

/// Consecutive lines of a file with their change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Line of the hunk's header in the patch, from 1.
    pub line: usize,
    /// First line of the hunk in the old file, from 1; 0 if the old file has no lines.
    pub old_start: usize,
    /// First line of the hunk in the new file, from 1; 0 if the new file has no lines.
    pub new_start: usize,
    /// The text after the second `@@`: the start of the nearest line above the hunk that could begin a function, at
    /// most 80 bytes in git. May be empty.
    pub function: Vec<u8>,
    /// The lines of both files, in order.
    pub lines: Vec<HunkLine>,
}

/// The files that a line of a hunk is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A line of context.
    Both,
    /// A removed line.
    Old,
    /// An added line.
    New,
}

/// One line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HunkLine {
    /// The files that the line is in.
    pub side: Side,
    /// Includes the line feed, unless the file ends without one.
    pub text: Vec<u8>,
}

impl Hunk {
    /// The lines before the change.
    pub fn old_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(|line| line.side != Side::New).map(|line| line.text.as_slice())
    }

    /// The lines after the change.
    pub fn new_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(|line| line.side != Side::Old).map(|line| line.text.as_slice())
    }

    /// Whether the hunk ends with a line of context.
    pub fn ends_with_context(&self) -> bool {
        self.lines.last().is_some_and(|line| line.side == Side::Both)
    }

    /// The hunk that undoes this one.
    pub fn reversed(&self) -> Hunk {
        let lines =
            self.lines.iter().map(|line| HunkLine { side: line.side.other(), text: line.text.clone() });
        Hunk {
            line: self.line,
            old_start: self.new_start,
            new_start: self.old_start,
            function: self.function.clone(),
            lines: lines.collect(),
        }
    }
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Both => Side::Both,
            Side::Old => Side::New,
            Side::New => Side::Old,
        }
    }
}

impl FileDiff {
    /// The change that undoes this one.
    pub fn reversed(&self) -> FileDiff {
        let change = match self.change.clone() {
            Change::Modify(path) => Change::Modify(path),
            Change::Create(path) | Change::Fill(path) => Change::Delete(path),
            Change::Delete(path) => Change::Create(path),
            Change::Rename { from, to } => Change::Rename { from: to, to: from },
            Change::Copy { to, .. } | Change::Uncopy(to) => Change::Uncopy(to),
        };
        FileDiff {
            line: self.line,
            commit: self.commit,
            change,
            old_mode: self.new_mode,
            new_mode: self.old_mode,
            hunks: self.hunks.iter().map(Hunk::reversed).collect(),
            binary: self.binary.as_ref().map(BinaryPatch::reversed),
        }
    }

    /// Whether the patch is for a symbolic link.
    pub fn is_link(&self) -> bool {
        self.old_mode == Some(Mode::Link) || self.new_mode == Some(Mode::Link)
    }

    /// Whether the patch changes the content or the mode, not only the name.
    pub fn changes_content(&self) -> bool {
        !self.hunks.is_empty() || self.binary.is_some() || self.new_mode.is_some()
    }

    pub(super) fn old_len(&self) -> usize {
        self.hunks.iter().map(|hunk| hunk.old_lines().count()).sum()
    }

    pub(super) fn new_len(&self) -> usize {
        self.hunks.iter().map(|hunk| hunk.new_lines().count()).sum()
    }
}
