//! When the three programs disagree, and why that is right.

use std::path::Path;

use kpatch_build::kernel::series::diff::Problem;
use kpatch_build::stages::patch::{Error, Fault};

use super::case::{Case, Ours, Tree};

/// What the three programs do with a case.
pub struct Answers {
    pub ours: Ours,
    pub git: Option<Tree>,
    pub patch: Option<Tree>,
    before: Tree,
}

/// What the answers to a case show.
pub enum Verdict {
    /// The same tree, or a refusal by all, or one of two answers.
    Agreed(&'static str),
    /// A disagreement for a reason in the table.
    Explained(&'static str),
    Unexplained(String),
}

impl Answers {
    pub fn of(case: &Case, scratch: &Path) -> Answers {
        Answers {
            ours: case.ours(),
            git: case.by_git(scratch),
            patch: case.by_patch(scratch),
            before: case.tree.clone(),
        }
    }

    /// The tree on which git and GNU patch agree.
    pub fn agreed(&self) -> Option<&Tree> {
        self.git.as_ref().filter(|git| self.patch.as_ref() == Some(git))
    }

    pub fn verdict(&self) -> Verdict {
        let Answers { ours, git, patch, .. } = self;
        let theirs = match (git, patch) {
            (None, None) => "both refuse",
            (Some(git), Some(patch)) if git == patch => "both agree",
            (Some(_), Some(_)) => "different trees",
            (Some(_), None) => "only git",
            (None, Some(_)) => "only patch",
        };
        let is = |tree: &Tree, other: &Option<Tree>| other.as_ref() == Some(tree);
        match ours {
            Ours::Tree(tree) if is(tree, git) && is(tree, patch) => Verdict::Agreed("the same tree"),
            Ours::Tree(tree) if is(tree, git) => Verdict::Agreed("git's tree"),
            Ours::Tree(tree) if is(tree, patch) => Verdict::Agreed("GNU patch's tree"),
            Ours::Refused(_) if git.is_none() && patch.is_none() => Verdict::Agreed("refused by all"),
            Ours::Present if git.is_none() && patch.is_none() => {
                Verdict::Agreed("already there; refused by both")
            }
            Ours::Refused(_) if git.is_none() => Verdict::Agreed("refused like git"),
            Ours::Refused(_) if patch.is_none() => Verdict::Agreed("refused like GNU patch"),
            Ours::Tree(_) => Verdict::Unexplained(format!("tree, {theirs}")),
            Ours::Present => Verdict::Unexplained(format!("present, {theirs}")),
            Ours::Refused(error) => match reason(error) {
                Some(reason) => Verdict::Explained(reason),
                None => Verdict::Unexplained(format!("refused, {theirs}: {}", kind(error))),
            },
        }
    }
}

fn reason(error: &Error) -> Option<&'static str> {
    match error {
        _ => None,
    }
}

fn kind(error: &Error) -> String {
    match error {
        Error::Unreadable { source, .. } => source.problem.to_string(),
        Error::Conflict { fault, .. } => format!("{:?}", fault).chars().take(60).collect(),
        error => error.to_string(),
    }
}
