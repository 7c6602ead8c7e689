//! What a build leaves for the packages beside the image, each in an entry of the store of its own:
//! a run that only boots needs none of it.

use std::path::Path;

use super::{Error, Run, debug, headers, same_image};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::options::Part;
use crate::base::store::{self, Entry, Lookup, Room, Slot};
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::{Finished, part_key, requested_parts};

/// The places in the store of what is there and of what is to be made.
pub(super) struct Places {
    kernel: Lookup,
    parts: Vec<(Part, Lookup)>,
}

impl Places {
    pub fn of(cx: &Context, plan: &KernelPlan, kernel: &Key) -> Result<Places, store::Error> {
        let look = |key: &Key| cx.lookup(Stage::Build, Room::Results, key.as_str());
        let parts = requested_parts(plan).map(|part| Ok((part, look(&part_key(part, kernel))?)));
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
