//! Why a series cannot be applied.

use std::io;
use std::path::PathBuf;

use super::apply::{Ambiguous, Misfit};
use crate::base::error::{Exit, Explain};
use crate::base::stop::Interrupted;
use crate::kernel::series::{BadName, diff};

/// A series that cannot be applied, or a source tree that cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A patch is malformed.
    #[error("cannot parse {patch}")]
    Unreadable {
        /// Name of the patch.
        patch: String,
        /// Line and reason.
        source: diff::Error,
    },
    /// A patch names a file that is not in the tree.
    #[error("{patch} touches a path outside the tree at line {line}: {} ({why})", path.display())]
    OutsideTree {
        /// Name of the patch.
        patch: String,
        /// Line of the patch, from 1.
        line: usize,
        /// The path in the patch.
        path: PathBuf,
        /// The reason.
        why: BadName,
    },
    /// A patch makes a symbolic link that leads out of the tree.
    #[error("{patch} makes {} at line {line} a symbolic link that leaves the tree: {target:?}", path.display())]
    EscapingLink {
        /// Name of the patch.
        patch: String,
        /// Line of the patch, from 1.
        line: usize,
        /// Relative to the tree.
        path: PathBuf,
        /// The target of the link.
        target: String,
    },
    /// A patch changes a directory or a special file.
    #[error("{patch} changes {} at line {line}, which is not a regular file", path.display())]
    NotAFile {
        /// Name of the patch.
        patch: String,
        /// Line of the patch, from 1.
        line: usize,
        /// Relative to the tree.
        path: PathBuf,
    },
    /// A patch does not fit the release.
    #[error("{patch} does not apply: {fault}")]
    Conflict {
        /// Name of the patch.
        patch: String,
        /// The reason.
        fault: Box<Fault>,
    },
    /// A file operation failed; the error names operation and path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// `state.json` of the source tree is not readable.
    #[error("the journal of the source tree is damaged: {}", path.display())]
    Journal {
        /// Path of the journal.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The stored original of a patched file is missing or altered.
    #[error("the stored original of {} is missing or altered", path.display())]
    OriginalLost {
        /// Relative to the tree.
        path: PathBuf,
    },
    /// A stop was requested; the next run repairs the source tree.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Why a patch does not fit a file. Paths are relative to the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The lines of a hunk are not in the file.
    #[error("hunk {} of {hunks} does not fit {} at line {}", misfit.number, path.display(), misfit.line)]
    Misfit {
        /// The file.
        path: PathBuf,
        /// The hunk and the first difference.
        misfit: Misfit,
        /// Number of hunks of the file.
        hunks: usize,
        /// Numbers of the hunks whose change is already in the release.
        present: Vec<usize>,
    },
    /// A hunk fits in several places.
    #[error("hunk {} fits {} in {} places, none of them the expected one", places.number, path.display(), places.lines.len())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The places.
        places: Ambiguous,
    },
    /// A hunk is for lines above the hunk before it, and does not fit below that one.
    #[error("hunk {number} of {} is for lines above the hunk before it: the hunks are out of order", path.display())]
    OutOfOrder {
        /// The file.
        path: PathBuf,
        /// Number of the hunk, from 1.
        number: usize,
    },
    /// The patch can be applied, and so can its reverse, nearer to the lines in its headers.
    #[error("it fits at {forward}, and its change may already be at {present}")]
    BothWays {
        /// Where the first moved hunk fits, as `file:line`.
        forward: String,
        /// Where the change is, as `file:line`.
        present: String,
    },
    /// The patch is for a symbolic link, but the tree has a file.
    #[error("{} is not a symbolic link", path.display())]
    NotALink {
        /// The file.
        path: PathBuf,
    },
    /// A binary patch does not fit a file.
    #[error("{}: {fault}", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// The reason.
        fault: diff::BinaryFault,
    },
    /// The file to change does not exist.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file to create exists.
    #[error("{} already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file to delete has more content than the patch removes.
    #[error("{} has content that the patch does not remove", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted(_) => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        let Error::Conflict { patch, fault } = self else { return Vec::new() };
        let (path, misfit, hunks, present) = match &**fault {
            Fault::Misfit { path, misfit, hunks, present } => (path, misfit, hunks, present),
            Fault::Ambiguous { path, places } => return places_as_facts(patch, path, places),
            _ => return Vec::new(),
        };
        let mut facts = vec![
            format!("patch: {patch}, line {}", misfit.patch_line),
            format!("file: {}, line {}", path.display(), misfit.line),
            format!("expected: {}", misfit.expected),
            format!("found: {}", misfit.found),
        ];
        if !present.is_empty() {
            let numbers: Vec<String> = present.iter().map(usize::to_string).collect();
            facts.push(format!("already in this release: hunk {} of {hunks}", numbers.join(", ")));
        }
        facts
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unreadable { source, .. } => source.problem.next_step().map(str::to_owned),
            Error::EscapingLink { .. } => Some("make the target of the link relative, inside of the tree".into()),
            Error::Conflict { fault, .. } if matches!(**fault, Fault::OutOfOrder { .. }) => {
                Some("write the patch anew, with the hunks of each file in ascending order".into())
            }
            Error::Conflict { fault, .. } if matches!(**fault, Fault::Binary { .. }) => {
                Some("use the binary patch for this release".into())
            }
            Error::Conflict { fault, .. } if matches!(**fault, Fault::Ambiguous { .. }) => {
                Some("write the patch for this release, or with more lines of context (git diff -U8)".into())
            }
            Error::Conflict { fault, .. } if matches!(**fault, Fault::Missing { .. }) => Some(
                "check that the patch is for this release; if its paths lack a first directory such as a/, add -p0 after \
                 its name in the series file"
                    .into(),
            ),
            Error::Conflict { fault, .. } if matches!(**fault, Fault::BothWays { .. }) => Some(
                "compare both places: if the release has the change, remove the patch from the series, else write it for \
                 this release"
                    .into(),
            ),
            Error::Conflict { .. } => Some(
                "nothing was changed; run `kpatch-build series check` to see which series apply to this release"
                    .into(),
            ),
            Error::Journal { .. } | Error::OriginalLost { .. } => Some(
                "remove the source tree with `kpatch-build cache remove` (`cache list` shows its name), then run \
                 again"
                    .into(),
            ),
            _ => None,
        }
    }
}

fn places_as_facts(patch: &str, path: &std::path::Path, places: &Ambiguous) -> Vec<String> {
    const SHOWN: usize = 8;
    let lines: Vec<String> = places.lines.iter().take(SHOWN).map(usize::to_string).collect();
    let more = if places.lines.len() > SHOWN { ", …" } else { "" };
    vec![
        format!("patch: {patch}, line {}", places.patch_line),
        format!("file: {}, expected at line {}", path.display(), places.expected),
        format!("fits at lines: {}{more}", lines.join(", ")),
    ]
}
