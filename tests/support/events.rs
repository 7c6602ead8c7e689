//! The events that a run reports.

use std::sync::{Arc, Mutex};

use kpatch_build::base::events::{Event, Sink};

/// Collects every event.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Event>>>);

impl Sink for Seen {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Seen {
    pub fn notes(&self) -> Vec<String> {
        let note = |event: &Event| match event {
            Event::Note { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(note).collect()
    }

    /// Returns the progress counts with their totals, if known.
    pub fn objects(&self) -> Vec<(u64, Option<u64>)> {
        let count = |event: &Event| match event {
            Event::Progress { done, total, .. } => Some((*done, *total)),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(count).collect()
    }
}
