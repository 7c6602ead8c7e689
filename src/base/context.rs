//! The context of every stage: the store, the event sender, the stop flag and the directory of logs.

use std::path::PathBuf;

use crate::base::events::{Events, Stage};
use crate::base::stop::Stop;
use crate::base::store::{Bucket, Entry, Error, Lookup, Notice, Store};

/// The argument that every stage shares.
#[derive(Clone, Debug)]
pub struct Context {
    /// Holds everything that a later run can reuse.
    pub store: Store,
    /// Receives progress and notes.
    pub events: Events,
    /// Set when the user interrupts the run.
    pub stop: Stop,
    /// Use only the store; a stage that needs the network fails at once.
    pub offline: bool,
    /// Directory of the `<stage>.log` files; the first program that runs creates it.
    pub logs: PathBuf,
}

impl Context {
    /// Returns this context with another receiver of events.
    pub fn with_events(&self, events: Events) -> Context {
        Context { events, ..self.clone() }
    }

    /// The log file of `stage`; it may not exist yet.
    pub fn log(&self, stage: Stage) -> PathBuf {
        self.logs.join(format!("{stage}.log"))
    }

    /// Calls [`Store::lookup`], and sends a note if it waits for another run or removes a damaged entry.
    ///
    /// # Errors
    /// See [`Store::lookup`].
    pub fn lookup(&self, stage: Stage, bucket: Bucket, key: &str) -> Result<Lookup, Error> {
        let entry = format!("{}/{key}", bucket.dir_name());
        self.store.lookup(bucket, key, &self.stop, |notice| {
            let text = match notice {
                Notice::Waiting => format!("waiting for another run that uses {entry}"),
                Notice::Damaged(damage) => {
                    format!("{entry} of the store is damaged and made again: {damage}")
                }
            };
            self.events.note(stage, text);
        })
    }

    /// The entry, created empty if it does not exist; for buckets whose entries change in place.
    ///
    /// # Errors
    /// See [`Store::lookup`].
    pub fn lease(&self, stage: Stage, bucket: Bucket, key: &str) -> Result<Entry, Error> {
        match self.lookup(stage, bucket, key)? {
            Lookup::Hit(entry) => Ok(entry),
            Lookup::Miss(slot) => slot.commit(),
        }
    }
}
