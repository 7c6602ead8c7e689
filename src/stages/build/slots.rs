//! The entries of the store that a build fills: the kernel, and one entry for each part, because a run that only
//! boots needs no parts.

use std::path::Path;

use super::error::Error;
use super::run::BuildRun;
use super::{debug, headers};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest;
use crate::base::events::Stage;
use crate::base::options::Part;
use crate::base::store::{self, Bucket, Entry, Lookup, Slot};
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::{FinishedKernel, build_file, part_key, requested_parts};

/// Existing entries and empty slots.
pub(super) struct Slots {
    kernel: Lookup,
    parts: Vec<(Part, Lookup)>,
}

impl Slots {
    /// Looks up the kernel with key `kernel` and the requested parts.
    pub(super) fn of(cx: &Context, plan: &KernelPlan, kernel: &Key) -> Result<Slots, store::Error> {
        let lookup = |key: &Key| cx.lookup(Stage::Build, Bucket::Results, key.as_str());
        let parts = requested_parts(plan).map(|part| Ok((part, lookup(&part_key(part, kernel))?)));
        Ok(Slots { kernel: lookup(kernel)?, parts: parts.collect::<Result<_, store::Error>>()? })
    }

    /// Fills the empty slots from the build directory, and commits them once all are complete. `collect` copies the
    /// kernel to a directory.
    pub(super) fn fill(
        self,
        run: &BuildRun,
        collect: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<FinishedKernel, Error> {
        match &self.kernel {
            Lookup::Miss(slot) => collect(slot.path())?,
            // An earlier run stored the kernel without these parts, which fit only an equal image.
            Lookup::Hit(entry) => check_same_image(run, entry)?,
        }
        for (part, lookup) in &self.parts {
            if let Lookup::Miss(slot) = lookup {
                collect_part(run, *part, slot)?;
            }
        }
        let kernel = commit(self.kernel)?;
        let parts = self.parts.into_iter().map(|(part, lookup)| Ok((part, commit(lookup)?)));
        Ok(FinishedKernel { kernel, parts: parts.collect::<Result<_, store::Error>>()? })
    }
}

fn commit(lookup: Lookup) -> Result<Entry, store::Error> {
    match lookup {
        Lookup::Hit(entry) => Ok(entry),
        Lookup::Miss(slot) => slot.commit(),
    }
}

fn check_same_image(run: &BuildRun, entry: &Entry) -> Result<(), Error> {
    let sha256 = |path: &Path| digest::hash_file::<Error>(path, &run.cx.stop);
    if sha256(&build_file::existing(&run.dir, "arch/x86/boot/bzImage")?)?
        == sha256(&entry.path().join("bzImage"))?
    {
        return Ok(());
    }
    Err(Error::AnotherImage { stored: entry.path().to_owned() })
}

fn collect_part(run: &BuildRun, part: Part, slot: &Slot) -> Result<(), Error> {
    match part {
        Part::Image => Ok(()),
        Part::Headers => headers::for_modules(run, slot.path()),
        Part::LibcDev => headers::for_programs(run, slot.path()),
        Part::Debug => debug::collect(run, slot.path()),
    }
}
