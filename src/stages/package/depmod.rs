//! Module dependencies: runs depmod and keeps the files that it writes.

use std::io;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::contents::{is_packaged, modules_dir};
use super::error::Error;
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process::{Command, Flow};
use crate::base::store::{Bucket, Entry, Lookup};
use crate::stages::build::KernelBuild;

/// Increases when earlier entries can no longer be used.
const RECIPE: u32 = 2;
/// Parts of the lines that depmod prints when it leaves out or cuts a file, whatever its exit status
/// (tools/depmod.c of kmod).
const INCOMPLETE: [&str; 3] = [": openat(", ": renameat(", "Output is truncated"];
const FULL: &str = "No space left on device";
const DEADLINE: Duration = Duration::from_secs(600);

/// Returns a directory that contains only depmod's files for the kernel.
///
/// The store keeps it by kernel and depmod version, because versions of depmod write different files.
pub(super) fn run(cx: &Context, build: &KernelBuild) -> Result<Entry, Error> {
    let key = Key::of("depmod", &(RECIPE, &build.key, version(cx)?));
    match cx.lookup(Stage::Package, Bucket::Results, key.as_str())? {
        Lookup::Hit(entry) => Ok(entry),
        Lookup::Miss(slot) => {
            fill(cx, build, slot.path())?;
            Ok(slot.commit()?)
        }
    }
}

fn version(cx: &Context) -> Result<String, Error> {
    let output = Command::new("depmod").arg("--version").capture().deadline(DEADLINE).run(&cx.stop)?;
    Ok(output.text())
}

fn fill(cx: &Context, build: &KernelBuild, dir: &Path) -> Result<(), Error> {
    let staging = dir.join("staging");
    let modules = staging.join("usr/lib/modules").join(&build.release);
    fs::create_dir_all(&modules)?;
    // kmod is compiled for either /lib/modules or /usr/lib/modules.
    symlink("usr/lib", staging.join("lib"))?;
    link_modules(build, &modules)?;
    fs::create_dir_all(&cx.logs)?;
    run_depmod(cx, build, &staging)?;
    for entry in fs::read_dir(&modules)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::rename(entry.path(), dir.join(entry.file_name()))?;
        }
    }
    Ok(fs::remove_dir_all(&staging)?)
}

fn run_depmod(cx: &Context, build: &KernelBuild, staging: &Path) -> Result<(), Error> {
    let mut complaint = None;
    let depmod = Command::new("depmod")
        .arg("--basedir")
        .arg(staging)
        .arg("--filesyms")
        .arg(build.system_map())
        .arg(&build.release)
        .deadline(DEADLINE)
        .log(cx.log(Stage::Package))
        .on_line(|line| {
            if INCOMPLETE.iter().any(|part| line.contains(part)) || line.ends_with(FULL) {
                complaint.get_or_insert_with(|| line.to_owned());
            }
            Flow::Continue
        })
        .run(&cx.stop);
    match (complaint, depmod) {
        (Some(line), _) if line.ends_with(FULL) => {
            Err(Error::DepmodOutput(io::Error::new(io::ErrorKind::StorageFull, line)))
        }
        (_, Err(error)) => Err(error.into()),
        (Some(line), Ok(_)) => Err(Error::DepmodOutput(io::Error::other(line))),
        (None, Ok(_)) => Ok(()),
    }
}

/// Links the modules into `staging`: depmod must not write to the build's result, and a copy would cost time
/// and space.
fn link_modules(build: &KernelBuild, staging: &Path) -> Result<(), Error> {
    let root = modules_dir(build);
    if !root.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(&root)? {
        let entry = entry?;
        if is_packaged(&entry.file_name().to_string_lossy()) {
            symlink(entry.path(), staging.join(entry.file_name()))?;
        }
    }
    Ok(())
}
