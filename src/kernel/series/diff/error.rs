//! Why a patch cannot be parsed.

use crate::kernel::series::names::BadName;

/// The reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text has no diff.
    #[error("it contains no diff")]
    NoDiff,
    /// A binary change, which has no lines.
    #[error("it changes {path} as a binary file, which a text patch cannot do")]
    Binary {
        /// The file, or the line of the patch.
        path: String,
    },
    /// A symbolic link or a submodule.
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
    /// The last line of the patch is part of a hunk and has no line feed.
    #[error("the patch ends in the middle of a line: {found}")]
    Cut {
        /// The line.
        found: String,
    },
    /// The hunks of a file are not in ascending order.
    #[error("this hunk is for lines above the hunk before it: the hunks are out of order")]
    Order,
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

/// A patch that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Error {
    /// Line of the patch, from 1.
    pub line: usize,
    /// The reason.
    pub problem: Problem,
}
