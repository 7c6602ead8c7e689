//! Patch: put one series, all of it or nothing, into the store's source tree.

pub mod apply;
pub mod check;
pub mod switch;
pub mod tree;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tree::{Fault, Overlay};

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::error::{Exit, Explain};
use crate::base::events::Stage;
use crate::base::stage_result::StageResult;
use crate::kernel::series::{BadName, PatchFile, Series, diff};
use crate::stages::unpack::SourceTree;

/// What became of one patch file; the words are those of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Applied,
    AlreadyUpstream,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, schemars::JsonSchema)]
pub struct AppliedPatch {
    /// `patches/<series>/<line>/<file>`, or the user's path.
    pub file: String,
    pub sha256: String,
    pub status: Outcome,
    /// Largest distance, in lines, between where a hunk said it belongs and where it went.
    pub max_offset: u64,
}

/// A source tree that holds exactly the plan's series.
#[derive(Debug)]
pub struct PatchedTree {
    pub tree: SourceTree,
    pub patches: Vec<AppliedPatch>,
    pub key: Key,
}

impl PatchedTree {
    pub fn path(&self) -> PathBuf {
        self.tree.path()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{patch} cannot be read as a patch")]
    Unreadable { patch: String, source: diff::Error },
    #[error("{patch} touches a path outside the tree at line {line}: {} ({why})", path.display())]
    OutsideTree { patch: String, line: usize, path: PathBuf, why: BadName },
    #[error("{patch} changes {} at line {line}, which is not a regular file", path.display())]
    NotAFile { patch: String, line: usize, path: PathBuf },
    #[error("{patch} does not apply: {fault}")]
    Conflict { patch: String, fault: Box<Fault> },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the journal of the source tree is damaged: {}", path.display())]
    Journal { path: PathBuf, source: serde_json::Error },
    #[error("the kept original of {} has been altered or lost", path.display())]
    OriginalLost { path: PathBuf },
    #[error("interrupted; the next run puts the source tree right")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted => Exit::Interrupted,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        let Error::Conflict { patch, fault } = self else { return Vec::new() };
        let Fault::Misfit { path, misfit, hunks, present } = &**fault else { return Vec::new() };
        let mut facts = vec![
            format!("patch: {patch}, line {}", misfit.patch_line),
            format!("file: {}, line {}", path.display(), misfit.line),
            format!("expected: {}", misfit.expected),
            format!("found: {}", misfit.found),
        ];
        if !present.is_empty() {
            let numbers: Vec<String> = present.iter().map(usize::to_string).collect();
            facts.push(format!("in this release already: hunk {} of {hunks}", numbers.join(", ")));
        }
        facts
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Conflict { .. } => Some(
                "nothing was changed; `kpatch-build series check` shows which series apply to this release"
                    .into(),
            ),
            Error::Journal { .. } | Error::OriginalLost { .. } => {
                Some("remove the release's source tree with `kpatch-build cache remove` (`cache list` shows its name) and run again".into())
            }
            _ => None,
        }
    }
}

/// The key of the tree with `series` in it: of what is applied, not of how it is called.
pub fn key(tree: &Key, series: &Series) -> Key {
    #[derive(Serialize)]
    struct Input<'a> {
        sha256: String,
        strip: usize,
        reverse: bool,
        tree: &'a Key,
    }
    let input = |patch: &PatchFile| Input {
        sha256: patch.sha256(),
        strip: patch.reading.strip,
        reverse: patch.reading.reverse,
        tree,
    };
    let patches: Vec<Input> = series.in_order().map(input).collect();
    Key::of("patch", &serde_json::json!({ "tree": tree, "patches": patches }))
}

/// Makes the tree hold `series` and nothing else. Nothing is written unless every patch of it
/// applies.
pub fn patch(cx: &Context, series: &Series, tree: SourceTree) -> Result<PatchedTree, Error> {
    let key = key(&tree.key, series);
    tell_of_series(cx, series);

    let journal = switch::Journal::open(tree.entry.path())?;
    let (files, patches) = {
        let mut overlay = Overlay::new(&journal);
        let patches = apply_all(cx, &mut overlay, series)?;
        tell_of_moves(cx, &overlay.moves);
        (overlay.into_files(), patches)
    };
    let go_on = || if cx.stop.is_set() { Err(Error::Interrupted) } else { Ok(()) };
    let done = journal.switch(&files, key.as_str(), &mut |_| go_on())?;
    for note in done.notes() {
        cx.events.note(Stage::Patch, note);
    }
    Ok(PatchedTree { tree, patches, key })
}

fn apply_all(cx: &Context, overlay: &mut Overlay, series: &Series) -> Result<Vec<AppliedPatch>, Error> {
    let mut done = Vec::new();
    for patch in series.in_order() {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        let applied = overlay.apply(patch)?;
        if applied.status == Outcome::AlreadyUpstream {
            cx.events.note(Stage::Patch, format!("{} is in this release already", applied.file));
        }
        done.push(applied);
    }
    Ok(done)
}

fn tell_of_series(cx: &Context, series: &Series) {
    if let Some(reason) = &series.unpatched {
        cx.events.note(Stage::Patch, format!("{} needs no patch here: {reason}", series.name));
    }
    if let Some(line) = series.borrowed_from {
        let note =
            format!("{} has no patches for this line; those for {line} are tried, untested", series.name);
        cx.events.note(Stage::Patch, note);
    }
    for patch in &series.compat {
        cx.events.note(Stage::Patch, format!("{}: a build fix that this compiler calls for", patch.name));
    }
}

fn tell_of_moves(cx: &Context, moves: &[tree::Move]) {
    for step in moves {
        let tree::Move { patch, path, hunk, lines } = step;
        let path = path.display();
        cx.events.note(Stage::Patch, format!("{patch}: hunk {hunk} of {path} applies {lines:+} lines away"));
    }
}

impl StageResult for PatchedTree {
    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        let count = |outcome| self.patches.iter().filter(|patch| patch.status == outcome).count();
        match (count(Outcome::Applied), count(Outcome::AlreadyUpstream)) {
            (0, 0) => "nothing to apply: the release behaves so already".into(),
            (applied, 0) => format!("{applied} applied"),
            (applied, upstream) => format!("{applied} applied, {upstream} already upstream"),
        }
    }
}
