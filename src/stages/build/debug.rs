//! Debug information of the image and of the modules.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fs_err as fs;

use super::error::Error;
use super::objcopy::objcopy;
use super::run::BuildRun;
use crate::kernel::kbuild::build_file;

/// Copies the whole `vmlinux`, whose code crash and perf need, and of each module the sections that
/// `modules_install` strips, to the path of the module: `kernel/lib/x.ko`.
pub(super) fn collect(run: &BuildRun, to: &Path) -> Result<(), Error> {
    fs::copy(build_file::existing(&run.dir, "vmlinux")?, to.join("vmlinux"))?;
    let modules = modules(run)?;
    let targets: Vec<_> = modules.iter().map(|(name, _)| to.join("kernel").join(name)).collect();
    for target in &targets {
        fs::create_dir_all(target.parent().expect("a module is below kernel"))?;
    }
    let queue = Mutex::new(modules.iter().zip(&targets));
    let work = || -> Result<(), Error> {
        loop {
            let next = queue.lock().expect("no worker panics").next();
            let Some(((_, built), target)) = next else { return Ok(()) };
            objcopy(run, &["--only-keep-debug"], built, target)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..run.plan.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// All modules, each with its name relative to the build directory and its path. Lines of modules.order end with `.ko`,
/// in newer releases with `.o`. The build wrote the list, so it may name anything.
fn modules(run: &BuildRun) -> Result<Vec<(String, PathBuf)>, Error> {
    if !run.dir.join("modules.order").exists() {
        return Ok(Vec::new());
    }
    let text = build_file::text(&run.dir, "modules.order")?;
    let names = text.lines().filter_map(|line| Some(format!("{}.ko", line.rsplit_once('.')?.0)));
    names.map(|name| Ok((name.clone(), build_file::existing(&run.dir, &name)?))).collect()
}
