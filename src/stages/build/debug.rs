//! Debug information of the image and of the modules.

use std::path::Path;

use crate::base::files;
use crate::kernel::kbuild::build_file;
use std::sync::Mutex;

use fs_err as fs;

use super::error::Error;
use super::objcopy::objcopy;
use super::run::BuildRun;

/// Copies the whole `vmlinux`, whose code crash and perf need, and of each module the sections that
/// `modules_install` strips, to the path of the module: `kernel/lib/x.ko`.
pub(super) fn collect(run: &BuildRun, to: &Path) -> Result<(), Error> {
    fs::copy(build_file::existing(&run.dir, "vmlinux")?, to.join("vmlinux"))?;
    let modules = modules(run)?;
    for module in &modules {
        // The build wrote the list: a path in it must not lead out of `to`.
        build_file::existing(&run.dir, module)?;
        fs::create_dir_all(to.join("kernel").join(module).parent().expect("a module is below kernel"))?;
    }
    let queue = Mutex::new(modules.iter());
    let work = || -> Result<(), Error> {
        loop {
            let Some(module) = queue.lock().expect("no worker panics").next() else { return Ok(()) };
            let built = build_file::existing(&run.dir, module)?;
            objcopy(run, &["--only-keep-debug"], &built, &to.join("kernel").join(module))?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..run.plan.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// Paths of all modules, relative to the build directory. Lines of modules.order end with `.ko`, in newer releases
/// with `.o`.
fn modules(run: &BuildRun) -> Result<Vec<String>, Error> {
    if !run.dir.join("modules.order").exists() {
        return Ok(Vec::new());
    }
    let text = files::read_text(&build_file::existing(&run.dir, "modules.order")?)?;
    Ok(text.lines().filter_map(|line| Some(format!("{}.ko", line.rsplit_once('.')?.0))).collect())
}
