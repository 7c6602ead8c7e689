//! When the three programs disagree, and why the answer of kpatch-build should stay as it is.

use std::path::Path;

use kpatch_build::kernel::series::BadName;
use kpatch_build::kernel::series::diff::Problem;
use kpatch_build::stages::patch::{Error, Fault};

use super::case::{Case, Ours, Tree};

/// What the three programs do with a case.
pub struct Answers {
    pub ours: Ours,
    pub git: Option<Tree>,
    pub patch: Option<Tree>,
}

/// What the answers to a case show.
pub enum Verdict {
    /// The same tree, or a refusal by all, or one of two answers.
    Agreed(&'static str),
    /// A disagreement for a reason in the table.
    Explained(&'static str),
    /// Neither.
    Unexplained(String),
}

impl Answers {
    pub fn of(case: &Case, scratch: &Path) -> Answers {
        Answers { ours: case.ours(), git: case.by_git(scratch), patch: case.by_patch(scratch) }
    }

    /// As [`Answers::of`], but asks GNU patch only if git disagrees, and then takes its refusal as read.
    pub fn until_one_agrees(case: &Case, scratch: &Path) -> Answers {
        let (ours, git) = (case.ours(), case.by_git(scratch));
        let agrees = match &ours {
            Ours::Tree(tree) => git.as_ref() == Some(tree),
            Ours::Refused(_) => git.is_none(),
            Ours::Present => false,
        };
        let patch = if agrees { None } else { case.by_patch(scratch) };
        Answers { ours, git, patch }
    }

    /// The tree on which git and GNU patch agree.
    pub fn agreed(&self) -> Option<&Tree> {
        self.git.as_ref().filter(|git| self.patch.as_ref() == Some(git))
    }

    pub fn verdict(&self) -> Verdict {
        let Answers { ours, git, patch } = self;
        let is = |tree: &Tree, other: &Option<Tree>| other.as_ref() == Some(tree);
        match ours {
            Ours::Tree(tree) if is(tree, git) && is(tree, patch) => Verdict::Agreed("the same tree"),
            Ours::Tree(tree) if is(tree, git) => Verdict::Agreed("git's tree"),
            Ours::Tree(tree) if is(tree, patch) => Verdict::Agreed("GNU patch's tree"),
            Ours::Refused(_) if git.is_none() && patch.is_none() => Verdict::Agreed("refused"),
            Ours::Refused(_) if git.is_none() => Verdict::Agreed("refused like git"),
            Ours::Refused(_) if patch.is_none() => Verdict::Agreed("refused like GNU patch"),
            Ours::Present if git.is_none() && patch.is_none() => {
                Verdict::Agreed("already there, and refused by both")
            }
            Ours::Refused(error) => match reason(error) {
                Some(reason) => Verdict::Explained(reason),
                None => Verdict::Unexplained(format!("refused although {}: {error}", self.theirs())),
            },
            Ours::Tree(_) => Verdict::Unexplained(format!("a tree of its own although {}", self.theirs())),
            Ours::Present => Verdict::Unexplained(format!("already there although {}", self.theirs())),
        }
    }

    fn theirs(&self) -> &'static str {
        match (&self.git, &self.patch) {
            (None, None) => "both refuse",
            (Some(git), Some(patch)) if git == patch => "both agree on a tree",
            (Some(_), Some(_)) => "both have a tree, each another",
            (Some(_), None) => "git has a tree",
            (None, Some(_)) => "GNU patch has a tree",
        }
    }
}

/// Why kpatch-build refuses what git and GNU patch take.
fn reason(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Unreadable { source, .. } => match source.problem {
            Problem::Long { .. } => "strict: lines behind a hunk, which both drop",
            Problem::Cut { .. } => "strict: a patch that ends in the middle of git's header, which both drop",
            Problem::Orphan => "strict: a hunk without a file, which both drop",
            Problem::NoHunk { .. } => "strict: the names of a file without its hunks, which both drop",
            Problem::NoChange { .. } => "strict: text in the header of a file, behind which more may be lost",
            Problem::OtherName { .. } => "strict: two names for one file, of which each takes another",
            _ => return None,
        },
        Error::OutsideTree { why: BadName::Absolute | BadName::Empty | BadName::NotUtf8, .. } => {
            "strict: a damaged name, of which each makes another file or none"
        }
        Error::Conflict { fault, .. } => match **fault {
            Fault::Ambiguous { .. } => "strict: several places, of which both take the nearest",
            Fault::Exists { .. } => "strict: text in the header of a new file, which is then created twice",
            _ => return None,
        },
        _ => return None,
    })
}
