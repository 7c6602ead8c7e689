//! Kbuild: the `O=` directory, how make is called, what its messages mean, and the kernels it has finished.

pub mod build_dir;
pub mod diagnosis;
pub mod make;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::options::Part;
use crate::base::store::{self, Entry, Lookup, Room};
use crate::kernel::KernelPlan;

/// Counts changes in what this stage tells make: an older tool's results are not this one's.
const RECIPE: u32 = 2;

/// Names the finished kernel; the configuration's key covers tree, series, kconfig and tools.
pub fn result_key(plan: &KernelPlan, timestamp: i64, config: &Key) -> Key {
    #[derive(Serialize)]
    struct Inputs<'a> {
        recipe: u32,
        config: &'a Key,
        localversion: &'a str,
        revision: u32,
        timestamp: i64,
    }
    Key::of(
        "build",
        &Inputs {
            recipe: RECIPE,
            config,
            localversion: &plan.localversion,
            revision: plan.revision,
            timestamp,
        },
    )
}

/// The kernel and its parts, all in the store.
#[derive(Debug)]
pub struct Finished {
    pub kernel: Entry,
    /// Those beside [`Part::Image`] that the plan asks for.
    pub parts: BTreeMap<Part, Entry>,
}

/// Counts changes in what is kept of a build.
const PARTS_RECIPE: u32 = 4;

pub(crate) fn part_key(part: Part, kernel: &Key) -> Key {
    Key::of("part", &(PARTS_RECIPE, part, kernel))
}

pub(crate) fn requested_parts(plan: &KernelPlan) -> impl Iterator<Item = Part> {
    plan.parts.iter().copied().filter(|part| *part != Part::Image)
}

impl Finished {
    /// `None` where any of them is missing.
    pub fn find(
        cx: &Context,
        stage: Stage,
        plan: &KernelPlan,
        kernel: &Key,
    ) -> Result<Option<Finished>, store::Error> {
        let keys: Vec<_> = requested_parts(plan).map(|part| (part, part_key(part, kernel))).collect();
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
