//! Events that the stages send while they work; `cli/progress.rs` renders them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::shown;

/// The stages in pipeline order, named as in `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The request is resolved: release, sources, toolchain.
    Plan,
    /// The source archive is downloaded.
    Fetch,
    /// Its signature or checksum is verified.
    Verify,
    /// The archive becomes a source tree.
    Unpack,
    /// The series is applied.
    Patch,
    /// `.config` is generated and checked.
    Configure,
    /// make runs.
    Build,
    /// Image and modules are signed for Secure Boot.
    Sign,
    /// Packages and their SBOM are written.
    Package,
    /// The kernel boots in QEMU and is judged.
    Boot,
}

impl Stage {
    /// The name in `report.json` and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Plan => "plan",
            Stage::Fetch => "fetch",
            Stage::Verify => "verify",
            Stage::Unpack => "unpack",
            Stage::Patch => "patch",
            Stage::Configure => "configure",
            Stage::Build => "build",
            Stage::Sign => "sign",
            Stage::Package => "package",
            Stage::Boot => "boot",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Unit of a progress count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files.
    Files,
    /// Object files.
    Objects,
    /// Seconds.
    Seconds,
}

/// How a stage ended, in the words of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The stage did its work.
    Done,
    /// The store already had the result.
    Cached,
    /// The stage failed.
    Failed,
    /// The stage was not requested.
    Skipped,
}

/// One event; `--progress json` prints it as one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A stage began; `what` names its object: a file, a release, a series.
    Started {
        /// The stage.
        stage: Stage,
        /// Its object.
        what: String,
    },
    /// Progress so far. Stages send it at any rate; renderers skip events between two updates.
    Progress {
        /// The stage.
        stage: Stage,
        /// Count so far.
        done: u64,
        /// Final count, if known.
        total: Option<u64>,
        /// Unit of both counts.
        unit: Unit,
    },
    /// A fact that the user should know although nothing failed: a source that was skipped,
    /// a hunk that moved, an optional option that vanished.
    Note {
        /// The stage.
        stage: Stage,
        /// One sentence.
        text: String,
    },
    /// A stage ended; `summary` is one line for the user.
    Finished {
        /// The stage.
        stage: Stage,
        /// How it ended.
        status: Status,
        /// Wall-clock duration.
        seconds: f64,
        /// One line for the user.
        summary: String,
    },
    /// The run reached its goal; the last event.
    Result {
        /// Path of `report.json`.
        report: PathBuf,
        /// Paths of the packages.
        packages: Vec<PathBuf>,
        /// The verdict of the boot: `pass`, `fail` or `skipped`. Null if the goal has no boot.
        verdict: Option<String>,
    },
    /// The command failed, perhaps before its first stage; the last event.
    Failed {
        /// The stage that failed. Null before the first stage.
        stage: Option<Stage>,
        /// The exit status of the run.
        exit: u8,
        /// The error and its causes, joined by `: `.
        message: String,
        /// Details, a sentence or `name: value` each.
        facts: Vec<String>,
        /// The suggested next step.
        next_step: Option<String>,
    },
}

/// Consumes events; any thread may call it.
pub trait Sink: Send + Sync {
    /// Handles one event.
    fn event(&self, event: &Event);
}

/// The event sender of every stage; cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<dyn Sink>);

impl Events {
    /// Sends events to `sink`.
    pub fn new(sink: impl Sink + 'static) -> Events {
        Events(Arc::new(sink))
    }

    /// Discards all events.
    pub fn silent() -> Events {
        struct Silent;
        impl Sink for Silent {
            fn event(&self, _: &Event) {}
        }
        Events::new(Silent)
    }

    /// Sends any event. Its texts become [`shown`]: names and messages of strangers, and addresses, are in them.
    pub fn send(&self, mut event: Event) {
        match &mut event {
            Event::Started { what: text, .. }
            | Event::Note { text, .. }
            | Event::Finished { summary: text, .. } => {
                *text = shown(text);
            }
            // A failure's texts are shown already, and paths are those of this run.
            Event::Progress { .. } | Event::Result { .. } | Event::Failed { .. } => {}
        }
        self.0.event(&event);
    }

    /// Sends [`Event::Note`].
    pub fn note(&self, stage: Stage, text: impl Into<String>) {
        self.send(Event::Note { stage, text: text.into() });
    }

    /// Sends [`Event::Progress`].
    pub fn progress(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit) {
        self.send(Event::Progress { stage, done, total, unit });
    }
}

/// A note, as a report keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// The stage that sent it.
    pub stage: Stage,
    /// One sentence, whole: terminals may cut it.
    pub text: String,
}

/// The notes of a run so far, in order; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    /// Returns a sender that keeps the notes here and passes every event on to `events`.
    pub fn keep(&self, events: &Events) -> Events {
        struct Keeper(Notes, Events);
        impl Sink for Keeper {
            fn event(&self, event: &Event) {
                if let Event::Note { stage, text } = event {
                    let mut notes = self.0.0.lock().expect("no holder of the notes panics");
                    notes.push(Note { stage: *stage, text: text.clone() });
                }
                self.1.0.event(event);
            }
        }
        Events::new(Keeper(self.clone(), events.clone()))
    }

    /// The notes so far.
    pub fn so_far(&self) -> Vec<Note> {
        self.0.lock().expect("no holder of the notes panics").clone()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_whole_and_in_order_and_still_reach_the_renderer() {
        let (kept, shown) = (Notes::default(), Notes::default());
        let events = kept.keep(&shown.keep(&Events::silent()));
        let long = "word ".repeat(400);
        events.note(Stage::Configure, long.as_str());
        events.progress(Stage::Build, 1, None, Unit::Objects);
        events.note(Stage::Boot, "second");
        let expected = [(Stage::Configure, long.as_str()), (Stage::Boot, "second")];
        for notes in [kept.so_far(), shown.so_far()] {
            let notes: Vec<_> = notes.iter().map(|note| (note.stage, note.text.as_str())).collect();
            assert_eq!(notes, expected);
        }
    }
}
