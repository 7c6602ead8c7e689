//! Why a patch cannot be parsed.

use crate::kernel::series::names::BadName;

/// The reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text has no diff.
    #[error("it contains no diff")]
    NoDiff,
    /// A note about a binary change, in place of the change.
    #[error(
        "it changes the binary file {path}, but does not contain the change (git diff --binary writes it)"
    )]
    Binary {
        /// The file, or the line of the patch.
        path: String,
    },
    /// A binary patch that cannot be decoded.
    #[error("the binary patch of {path} is damaged")]
    BinaryData {
        /// The file.
        path: String,
    },
    /// A binary patch without the full hashes of both contents.
    #[error(
        "the binary patch of {path} has no full hashes in an index line (git diff --full-index writes them)"
    )]
    BinaryIndex {
        /// The file.
        path: String,
    },
    /// One part that makes a symbolic link of a file, or a file of a symbolic link.
    #[error(
        "it makes a file of a symbolic link or the reverse; git writes that as a deletion and a creation"
    )]
    OtherKind,
    /// A submodule or a special file.
    #[error("it turns {path} into a special file (mode {mode})")]
    SpecialFile {
        /// The file.
        path: String,
        /// Its mode as git writes it: `120000`.
        mode: String,
    },
    /// Not `@@ -N,N +N,N @@`.
    #[error("the hunk header is malformed: {found}")]
    HunkHeader {
        /// The line.
        found: String,
    },
    /// A hunk without a file header.
    #[error("this hunk belongs to no file")]
    Orphan,
    /// The names of a file without a hunk.
    #[error("this file has no hunk: {found}")]
    NoHunk {
        /// The `---` line.
        found: String,
    },
    /// A `diff --git` line without any change.
    #[error("this part of the patch changes nothing: {found}")]
    NoChange {
        /// The `diff --git` line.
        found: String,
    },
    /// A format with two columns of signs, which git prints for merges, or the context format of diff -c.
    #[error("it is a {format}, not a unified diff: {found}")]
    Format {
        /// `combined diff` or `context diff`.
        format: &'static str,
        /// The line.
        found: String,
    },
    /// The last line of the patch is part of a hunk or of git's header, and has no line feed.
    #[error("the patch ends in the middle of a line: {found}")]
    Cut {
        /// The line.
        found: String,
    },
    /// The patch ends inside a hunk.
    #[error("the hunk is {missing} lines shorter than its header says")]
    Short {
        /// Number of missing lines.
        missing: usize,
    },
    /// More lines than the header counts.
    #[error("the hunk is longer than its header says: {found}")]
    Long {
        /// The first extra line.
        found: String,
    },
    /// A line inside a hunk that starts with neither ` `, `-` nor `+`.
    #[error("this line cannot be part of a hunk: {found}")]
    HunkLine {
        /// The line.
        found: String,
    },
    /// A file header without a readable name.
    #[error("cannot read a file name from: {found}")]
    FileName {
        /// The line.
        found: String,
    },
    /// The `---` or `+++` line names another file than the `diff --git` line, as after a cut in between.
    #[error("its hunks are for {name}, another file than in: {found}")]
    OtherName {
        /// The `diff --git` line.
        found: String,
        /// The name before the hunks.
        name: String,
    },
    /// A name outside of the tree.
    #[error("it leaves the tree: {path} ({why})")]
    OutsideTree {
        /// The name as in the patch.
        path: String,
        /// The reason.
        why: BadName,
    },
    /// The header and the lines of a hunk exclude each other.
    #[error("it {what}, but its hunk says otherwise")]
    Contradiction {
        /// The change according to the header: `creates a file`.
        what: &'static str,
    },
}

impl Problem {
    /// What to do about it.
    pub(crate) fn next_step(&self) -> Option<&'static str> {
        Some(match self {
            Problem::NoDiff => "add its diff, or remove its line from the series file",
            Problem::Binary { .. } => "write the patch with git diff --binary",
            Problem::BinaryIndex { .. } => "write the patch with git diff --binary --full-index",
            Problem::OtherKind | Problem::SpecialFile { .. } => "write the patch with git diff",
            Problem::Format { .. } => "write it as a unified diff: git diff A B, or diff -u",
            Problem::Cut { .. } => "get the whole patch; if nothing is missing, add a line feed at its end",
            Problem::Short { .. }
            | Problem::Long { .. }
            | Problem::HunkLine { .. }
            | Problem::HunkHeader { .. }
            | Problem::Orphan
            | Problem::NoHunk { .. }
            | Problem::NoChange { .. }
            | Problem::BinaryData { .. }
            | Problem::OtherName { .. } => {
                "get the patch again: an editor, a mail program or an interrupted transfer damaged it"
            }
            Problem::FileName { .. } | Problem::OutsideTree { .. } | Problem::Contradiction { .. } => {
                return None;
            }
        })
    }
}

/// A patch that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Error {
    /// Line of the patch, from 1.
    pub line: usize,
    /// The reason.
    pub problem: Problem,
}
