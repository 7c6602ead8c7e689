//! What every stage needs besides its input: where to keep things, whom to tell, when to stop.

use std::path::PathBuf;

use crate::base::events::{Events, Stage};
use crate::base::stop::Stop;
use crate::base::store::{Entry, Error, Lookup, Room, Store};

#[derive(Debug)]
pub struct Context {
    pub store: Store,
    pub events: Events,
    pub stop: Stop,
    /// Use the store only; a stage that would need the network fails at once and says so.
    pub offline: bool,
    /// Folder of the `<stage>.log` files; made by the first program that runs.
    pub logs: PathBuf,
}

impl Context {
    pub fn log(&self, stage: Stage) -> PathBuf {
        self.logs.join(format!("{stage}.log"))
    }

    /// [`Store::lookup`], telling the user when another run has to be waited for.
    pub fn lookup(&self, stage: Stage, room: Room, key: &str) -> Result<Lookup, Error> {
        self.store.lookup(room, key, &self.stop, || {
            self.events.note(stage, format!("waiting for another run that uses {}/{key}", room.dir_name()));
        })
    }

    /// The entry, made empty where there is none: for rooms that change in place.
    pub fn lease(&self, stage: Stage, room: Room, key: &str) -> Result<Entry, Error> {
        match self.lookup(stage, room, key)? {
            Lookup::Hit(entry) => Ok(entry),
            Lookup::Miss(slot) => slot.commit(),
        }
    }
}
