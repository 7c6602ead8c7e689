//! Patch: apply one series, completely or not at all, to the source tree in the store.

pub mod apply;
pub mod check;
mod error;
mod status;
mod switch;
pub mod tree;

use std::path::PathBuf;

use serde::Serialize;

use self::switch::Journal;
use self::tree::{Move, Overlay};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::stage_result::StageResult;
use crate::kernel::series::{PatchFile, Series};
use crate::stages::unpack::SourceTree;

pub use self::error::{Error, Fault};
pub use self::status::{AppliedPatch, PatchStatus};

/// A source tree with exactly the series of the plan.
#[derive(Debug)]
pub struct PatchedTree {
    /// The tree, locked for this run.
    pub tree: SourceTree,
    /// The patches in the order of application.
    pub patches: Vec<AppliedPatch>,
    /// Covers the tree and the patches.
    pub key: Key,
}

impl PatchedTree {
    /// Path of the tree.
    pub fn path(&self) -> PathBuf {
        self.tree.path()
    }
}

impl StageResult for PatchedTree {
    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        let count = |status| self.patches.iter().filter(|patch| patch.status == status).count();
        match (count(PatchStatus::Applied), count(PatchStatus::AlreadyUpstream)) {
            (0, 0) => "nothing to apply".into(),
            (applied, 0) => format!("{applied} applied"),
            (applied, upstream) => format!("{applied} applied, {upstream} already upstream"),
        }
    }
}

/// The key of the tree `tree` with `series`: covers the content of the patches, not their names.
pub(crate) fn key(tree: &Key, series: &Series) -> Key {
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

/// Replaces the series in the tree by `series`. Writes nothing unless all its patches apply.
///
/// # Errors
/// A patch is malformed or does not apply, a file cannot be written, or a stop is requested.
pub fn patch(cx: &Context, series: &Series, tree: SourceTree) -> Result<PatchedTree, Error> {
    let key = key(&tree.key, series);
    note_series(cx, series);

    let journal = Journal::open(tree.entry.path())?;
    let (files, patches) = {
        let mut overlay = Overlay::new(&journal);
        let patches = apply_all(cx, &mut overlay, series)?;
        note_moves(cx, &overlay.moves);
        (overlay.into_files(), patches)
    };
    let switched = journal.switch(&files, key.as_str(), &mut |_| Ok(cx.stop.check()?))?;
    for note in switched.notes() {
        cx.events.note(Stage::Patch, note);
    }
    Ok(PatchedTree { tree, patches, key })
}

fn apply_all(cx: &Context, overlay: &mut Overlay, series: &Series) -> Result<Vec<AppliedPatch>, Error> {
    let mut patches = Vec::new();
    for patch in series.in_order() {
        cx.stop.check()?;
        let applied = overlay.apply(patch)?;
        if let Some((patch, place)) = overlay.present.pop() {
            cx.events
                .note(Stage::Patch, format!("{patch} is already in this release: its change is at {place}"));
        }
        patches.push(applied);
    }
    Ok(patches)
}

fn note_series(cx: &Context, series: &Series) {
    for note in &series.notes {
        cx.events.note(Stage::Patch, note.clone());
    }
    if let Some(reason) = &series.unpatched {
        cx.events.note(Stage::Patch, format!("{} needs no patch here: {reason}", series.name));
    }
    if let Some(line) = series.borrowed_from {
        let note = format!("{} has no patches for this line; using those for {line}, untested", series.name);
        cx.events.note(Stage::Patch, note);
    }
    for patch in &series.compat {
        cx.events.note(Stage::Patch, format!("{}: build fix required by this compiler", patch.name));
    }
}

fn note_moves(cx: &Context, moves: &[Move]) {
    for Move { patch, path, hunk, lines } in moves {
        let path = path.display();
        cx.events.note(Stage::Patch, format!("{patch}: hunk {hunk} of {path} applies {lines:+} lines away"));
    }
}
