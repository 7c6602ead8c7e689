//! What a build leaves for the packages beside the image, each in an entry of the store of its own:
//! a run that only boots needs none of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Error, Run, debug, headers, same_image};
use crate::choices::Part;
use crate::context::Context;
use crate::events::Stage;
use crate::key::Key;
use crate::plan::Plan;
use crate::store::{self, Entry, Lookup, Room, Slot};

/// The kernel and its parts, all in the store.
#[derive(Debug)]
pub struct Finished {
    pub kernel: Entry,
    /// Those beside [`Part::Image`] that the plan asks for.
    pub parts: BTreeMap<Part, Entry>,
}

/// Counts changes in what is kept of a build.
const RECIPE: u32 = 4;

pub(super) fn key(part: Part, kernel: &Key) -> Key {
    Key::of("part", &(RECIPE, part, kernel))
}

fn wanted(plan: &Plan) -> impl Iterator<Item = Part> {
    plan.parts.iter().copied().filter(|part| *part != Part::Image)
}

impl Finished {
    /// `None` where any of them is missing.
    pub fn find(
        cx: &Context,
        stage: Stage,
        plan: &Plan,
        kernel: &Key,
    ) -> Result<Option<Finished>, store::Error> {
        let keys: Vec<_> = wanted(plan).map(|part| (part, key(part, kernel))).collect();
        let there = |key: &Key| cx.store.contains(Room::Results, key.as_str());
        if !there(kernel) || !keys.iter().all(|(_, key)| there(key)) {
            return Ok(None);
        }
        let Lookup::Hit(kernel) = cx.lookup(stage, Room::Results, kernel.as_str())? else { return Ok(None) };
        let mut parts = BTreeMap::new();
        for (part, key) in keys {
            let Lookup::Hit(entry) = cx.lookup(stage, Room::Results, key.as_str())? else { return Ok(None) };
            parts.insert(part, entry);
        }
        Ok(Some(Finished { kernel, parts }))
    }
}

/// The places in the store of what is there and of what is to be made.
pub(super) struct Places {
    kernel: Lookup,
    parts: Vec<(Part, Lookup)>,
}

impl Places {
    pub fn of(cx: &Context, plan: &Plan, kernel: &Key) -> Result<Places, store::Error> {
        let look = |key: &Key| cx.lookup(Stage::Build, Room::Results, key.as_str());
        let parts = wanted(plan).map(|part| Ok((part, look(&key(part, kernel))?)));
        Ok(Places { kernel: look(kernel)?, parts: parts.collect::<Result<_, store::Error>>()? })
    }

    /// Takes out of the build folder what is missing. Nothing is committed before all of it is there.
    pub fn fill(self, run: &Run, kernel: impl FnOnce(&Path) -> Result<(), Error>) -> Result<Finished, Error> {
        match &self.kernel {
            Lookup::Miss(slot) => kernel(slot.path())?,
            // An earlier run kept it without these parts; they are its own only if it came out again.
            Lookup::Hit(entry) => same_image(run, entry)?,
        }
        for (part, place) in &self.parts {
            if let Lookup::Miss(slot) = place {
                capture(run, *part, slot)?;
            }
        }
        let kernel = commit(self.kernel)?;
        let parts = self.parts.into_iter().map(|(part, place)| Ok((part, commit(place)?)));
        Ok(Finished { kernel, parts: parts.collect::<Result<_, store::Error>>()? })
    }
}

fn commit(place: Lookup) -> Result<Entry, store::Error> {
    match place {
        Lookup::Hit(entry) => Ok(entry),
        Lookup::Miss(slot) => slot.commit(),
    }
}

fn capture(run: &Run, part: Part, slot: &Slot) -> Result<(), Error> {
    match part {
        Part::Image => Ok(()),
        Part::Headers => headers::for_modules(run, slot.path()),
        Part::LibcDev => headers::for_programs(run, slot.path()),
        Part::Debug => debug::keep(run, slot.path()),
    }
}
