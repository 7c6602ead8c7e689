//! Finished kernels in the store, and the keys that name them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::options::Part;
use crate::base::store::{self, Bucket, Entry, Lookup};
use crate::kernel::KernelPlan;

/// Increases with every change to the make commands, which invalidates the results of older versions.
const RECIPE: u32 = 2;

/// Increases with every change to the content of the part.
fn part_recipe(part: Part) -> u32 {
    match part {
        Part::Headers => 5,
        Part::Image | Part::Debug | Part::LibcDev => 4,
    }
}

/// The key of a finished kernel. `config`, the key of its configuration, covers tree, series, kconfig and
/// tools; `timestamp` is in seconds since the epoch.
pub(crate) fn result_key(plan: &KernelPlan, timestamp: i64, config: &Key) -> Key {
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

/// The key of one part of the kernel with key `kernel`.
pub(crate) fn part_key(part: Part, kernel: &Key) -> Key {
    Key::of("part", &(part_recipe(part), part, kernel))
}

/// The parts besides [`Part::Image`] that the plan requests.
pub(crate) fn requested_parts(plan: &KernelPlan) -> impl Iterator<Item = Part> {
    plan.parts.iter().copied().filter(|part| *part != Part::Image)
}

/// A kernel and its parts in the store.
#[derive(Debug)]
pub struct FinishedKernel {
    /// The entry with image, configuration and modules.
    pub(crate) kernel: Entry,
    /// The entry of each requested part besides [`Part::Image`].
    pub(crate) parts: BTreeMap<Part, Entry>,
}

impl FinishedKernel {
    /// Finds the kernel with key `kernel`; returns `None` if the store lacks it or one of its parts.
    ///
    /// # Errors
    /// An entry cannot be locked, or a stop is requested meanwhile.
    pub(crate) fn find(
        cx: &Context,
        stage: Stage,
        plan: &KernelPlan,
        kernel: &Key,
    ) -> Result<Option<FinishedKernel>, store::Error> {
        let keys: Vec<_> = requested_parts(plan).map(|part| (part, part_key(part, kernel))).collect();
        let is_stored = |key: &Key| cx.store.contains(Bucket::Results, key.as_str());
        if !is_stored(kernel) || !keys.iter().all(|(_, key)| is_stored(key)) {
            return Ok(None);
        }
        let Lookup::Hit(kernel) = cx.lookup(stage, Bucket::Results, kernel.as_str())? else {
            return Ok(None);
        };
        let mut parts = BTreeMap::new();
        for (part, key) in keys {
            let Lookup::Hit(entry) = cx.lookup(stage, Bucket::Results, key.as_str())? else {
                return Ok(None);
            };
            parts.insert(part, entry);
        }
        Ok(Some(FinishedKernel { kernel, parts }))
    }
}
