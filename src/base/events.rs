//! What the stages say while they work. Renderers in [`crate::cli::progress`] consume it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The stages in pipeline order; names are those of `report.json`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Plan,
    Fetch,
    Verify,
    Unpack,
    Patch,
    Configure,
    Build,
    Sign,
    Package,
    Boot,
}

impl Stage {
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

/// What a progress count counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Bytes,
    Files,
    Objects,
    Seconds,
}

/// How a stage ended; the words are those of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Done,
    Cached,
    Failed,
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// `what` names the object: a file, a release, a series.
    Started {
        stage: Stage,
        what: String,
    },
    /// Sent as often as it suits the stage; renderers thin them out.
    Progress {
        stage: Stage,
        done: u64,
        total: Option<u64>,
        unit: Unit,
    },
    /// Something the user wants to know although nothing failed: a source that was passed
    /// over, a hunk that moved, an optional option that vanished.
    Note {
        stage: Stage,
        text: String,
    },
    Finished {
        stage: Stage,
        status: Status,
        seconds: f64,
        summary: String,
    },
}

/// Consumes events; called from any thread.
pub trait Sink: Send + Sync {
    fn event(&self, event: &Event);
}

/// The sending side that every stage gets. Cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<dyn Sink>);

impl Events {
    pub fn new(sink: impl Sink + 'static) -> Events {
        Events(Arc::new(sink))
    }

    /// Events that nobody sees.
    pub fn silent() -> Events {
        struct Silent;
        impl Sink for Silent {
            fn event(&self, _: &Event) {}
        }
        Events::new(Silent)
    }

    pub fn send(&self, event: Event) {
        self.0.event(&event);
    }

    pub fn note(&self, stage: Stage, text: impl Into<String>) {
        self.send(Event::Note { stage, text: text.into() });
    }

    pub fn progress(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit) {
        self.send(Event::Progress { stage, done, total, unit });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
