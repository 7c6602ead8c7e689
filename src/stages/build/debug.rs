//! Debug information of the image and of its modules.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::objcopy::objcopy;
use super::{Error, Run, copy, io_error};

/// `vmlinux` whole, since crash and perf want its code too, and of each module what
/// `modules_install` strips off, at the module's place: `kernel/lib/x.ko`.
pub(super) fn keep(run: &Run, to: &Path) -> Result<(), Error> {
    copy(&run.folder.join("vmlinux"), &to.join("vmlinux"))?;
    let modules = modules(run)?;
    for module in &modules {
        let folder = to.join("kernel").join(module).parent().expect("below kernel").to_owned();
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
    }
    let waiting = Mutex::new(modules.iter());
    let work = || -> Result<(), Error> {
        loop {
            let Some(module) = waiting.lock().expect("no worker panics").next() else { return Ok(()) };
            objcopy(run, &["--only-keep-debug"], &run.folder.join(module), &to.join("kernel").join(module))?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..run.plan.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// Paths of all modules in the build folder; the lines of modules.order end in `.ko` or, in newer
/// releases, in `.o`.
fn modules(run: &Run) -> Result<Vec<String>, Error> {
    let path = run.folder.join("modules.order");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(io_error("read", &path))?;
    Ok(text.lines().filter_map(|line| Some(format!("{}.ko", line.rsplit_once('.')?.0))).collect())
}
