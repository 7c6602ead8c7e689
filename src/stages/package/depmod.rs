//! Module dependencies: runs depmod and keeps the files that it writes.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::contents::{is_packaged, modules_dir};
use super::error::Error;
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process::Command;
use crate::base::store::{Bucket, Entry, Lookup};
use crate::stages::build::KernelBuild;

const DEADLINE: Duration = Duration::from_secs(600);

/// Returns a directory that contains only depmod's files for the kernel.
///
/// The store keeps it by kernel and depmod version, because versions of depmod write different files.
pub(super) fn run(cx: &Context, build: &KernelBuild) -> Result<Entry, Error> {
    let key = Key::of("depmod", &(&build.key, version(cx)?));
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
    Command::new("depmod")
        .arg("--basedir")
        .arg(&staging)
        .arg("--filesyms")
        .arg(build.system_map())
        .arg(&build.release)
        .deadline(DEADLINE)
        .log(cx.log(Stage::Package))
        .run(&cx.stop)?;
    for entry in fs::read_dir(&modules)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::rename(entry.path(), dir.join(entry.file_name()))?;
        }
    }
    Ok(fs::remove_dir_all(&staging)?)
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
