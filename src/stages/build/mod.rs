//! Build: from a configured tree to image and modules.

mod debug;
mod error;
mod headers;
mod objcopy;
mod older_gcc;
mod run;
mod slots;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use self::run::{BuildRun, ObjectCounter};
use self::slots::Slots;
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest;
use crate::base::error::full_disk;
use crate::base::events::Stage;
use crate::base::options::Part;
use crate::base::stage_result::StageResult;
use crate::base::store::Entry;
use crate::base::x509::Identity;
use crate::kernel::KernelPlan;
use crate::kernel::kbuild::build_dir::BuildDir;
use crate::kernel::kbuild::{FinishedKernel, result_key};
use crate::stages::configure::{ConfigState, KernelConfig};
use crate::stages::patch::PatchedTree;

pub use self::error::Error;
pub(crate) use self::headers::BTF_BASE;

/// A finished kernel in the store.
#[derive(Debug)]
pub struct KernelBuild {
    /// The entry with image, configuration and modules.
    pub entry: Entry,
    /// The entry of each requested part besides the image.
    pub parts: BTreeMap<Part, Entry>,
    /// `uname -r`.
    pub release: String,
    /// SHA-256 of the image: 64 lower-case hexadecimal digits.
    pub image_sha256: String,
    /// SHA-256 of the configuration: 64 lower-case hexadecimal digits.
    pub config_sha256: String,
    /// The time in image and packages, in seconds since the epoch.
    pub timestamp: i64,
    /// The key of the entry.
    pub key: Key,
    /// The certificate of the signer; `None` until [`crate::stages::secure_boot::sign_with`].
    pub signed_by: Option<Identity>,
    /// An earlier run built the kernel.
    pub cached: bool,
}

impl KernelBuild {
    /// Path of the bzImage.
    pub fn image(&self) -> PathBuf {
        self.entry.path().join("bzImage")
    }

    /// Path of System.map.
    pub fn system_map(&self) -> PathBuf {
        self.entry.path().join("System.map")
    }

    /// Path of the configuration.
    pub fn config(&self) -> PathBuf {
        self.entry.path().join("config")
    }

    /// The directory with `lib/modules/<release>` as `modules_install` creates it: stripped modules,
    /// `modules.builtin` and `modules.order`, but no files of depmod.
    pub fn modules(&self) -> PathBuf {
        self.entry.path().join("modules")
    }

    /// The directory with the files of a part.
    ///
    /// - [`Part::Headers`]: the content of `/lib/modules/<release>/build`;
    /// - [`Part::Debug`]: `vmlinux`, and of each module `kernel/….ko`;
    /// - [`Part::LibcDev`]: `linux/….h`, `asm/….h` and so on.
    pub fn part(&self, part: Part) -> Option<&Path> {
        self.parts.get(&part).map(Entry::path)
    }
}

impl StageResult for KernelBuild {
    fn cached(&self) -> bool {
        self.cached
    }

    fn key(&self) -> Option<String> {
        Some(self.key.to_string())
    }

    fn summary(&self) -> String {
        self.release.clone()
    }
}

/// Builds the kernel of the plan, unless the store already has it.
///
/// # Errors
/// make fails, the kernel has another release than planned, or a stop is requested.
pub fn build(
    cx: &Context,
    plan: &KernelPlan,
    tree: &PatchedTree,
    config: KernelConfig,
) -> Result<KernelBuild, Error> {
    let timestamp = plan.time_of(tree.tree.released_at);
    let key = result_key(plan, timestamp, &config.key);
    let (finished, cached) = match config.state {
        ConfigState::Built(finished) => (finished, true),
        ConfigState::Pending(dir) => match FinishedKernel::find(cx, Stage::Build, plan, &key)? {
            Some(finished) => (finished, true),
            None => {
                let source = tree.path();
                let run = BuildRun { cx, plan, source: &source, dir: dir.path().to_owned(), timestamp };
                (build_in(dir, &run, &key, config.kconfig.objects)?, false)
            }
        },
    };
    let FinishedKernel { kernel: entry, parts } = finished;
    Ok(KernelBuild {
        image_sha256: digest::hash_file::<Error>(&entry.path().join("bzImage"), &cx.stop)?,
        parts,
        release: release_in(&entry)?,
        entry,
        config_sha256: config.config_sha256,
        timestamp,
        key,
        signed_by: None,
        cached,
    })
}

/// `uname -r` of a finished kernel: the name of its modules' directory.
fn release_in(kernel: &Entry) -> Result<String, Error> {
    let mut names = fs::read_dir(kernel.path().join("modules/lib/modules"))?;
    let name = names.next().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))??.file_name();
    Ok(name.to_string_lossy().into_owned())
}

/// Builds in the `O=` directory. `expected`: roughly the number of objects of a complete build.
fn build_in(
    mut dir: BuildDir,
    run: &BuildRun,
    key: &Key,
    expected: Option<u64>,
) -> Result<FinishedKernel, Error> {
    let (cx, plan) = (run.cx, run.plan);
    let slots = Slots::of(cx, plan, key)?;
    let is_complete = dir.objects().is_some();
    // Updating a complete directory rebuilds an unknown number of objects.
    let (done, total) = match is_complete {
        true => (0, None),
        false => (dir.count_objects(&cx.stop)?, expected),
    };
    let mut counter = ObjectCounter { cx, done, total };
    dir.begin()?;
    let result = run.build(&mut counter).and_then(|()| slots.fill(run, |to| run.collect(to, &mut counter)));
    // The mark stays if make was killed, because only a make that exits removes unfinished files, and if the disk was full:
    // a program that does not notice leaves half a file.
    let keeps_mark = |error: &Error| {
        matches!(error, Error::Interrupted(_) | Error::Make { .. } | Error::DiskFull { .. })
            || full_disk(error)
    };
    if !result.as_ref().is_err_and(keeps_mark) {
        dir.finish(&cx.stop)?;
    }
    let finished = result?;
    if !is_complete {
        let objects = dir.count_objects(&cx.stop)?;
        dir.set_objects(objects)?;
    }
    Ok(finished)
}
