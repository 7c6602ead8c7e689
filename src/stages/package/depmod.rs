//! Which module needs which: the files that depmod writes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::Error;
use super::contents::{is_packaged, modules_folder};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process::Command;
use crate::base::store::{Entry, Lookup, Room};
use crate::stages::build::KernelBuild;

const DEADLINE: Duration = Duration::from_secs(600);

/// A folder that holds depmod's files for the kernel and nothing else.
///
/// Kept in the store by kernel and depmod version: newer ones write other files.
pub(super) fn run(cx: &Context, build: &KernelBuild) -> Result<Entry, Error> {
    let key = Key::of("depmod", &(&build.key, version(cx)?));
    match cx.lookup(Stage::Package, Room::Results, key.as_str())? {
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

fn fill(cx: &Context, build: &KernelBuild, folder: &Path) -> Result<(), Error> {
    let staging = folder.join("staging");
    let failed = |source| Error::Write { path: staging.clone(), source };
    let modules = staging.join("usr/lib/modules").join(&build.release);
    fs::create_dir_all(&modules).map_err(failed)?;
    // kmod is built for one of the two places.
    symlink("usr/lib", staging.join("lib")).map_err(failed)?;
    link_modules(build, &modules)?;
    fs::create_dir_all(&cx.logs).map_err(|source| Error::Write { path: cx.logs.clone(), source })?;
    Command::new("depmod")
        .arg("--basedir")
        .arg(&staging)
        .arg("--filesyms")
        .arg(build.system_map())
        .arg(&build.release)
        .deadline(DEADLINE)
        .log(cx.log(Stage::Package))
        .run(&cx.stop)?;
    for entry in fs::read_dir(&modules).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            fs::rename(entry.path(), folder.join(entry.file_name())).map_err(failed)?;
        }
    }
    fs::remove_dir_all(&staging).map_err(failed)
}

/// The build's result is not to be written to, and copying it would cost time and space.
fn link_modules(build: &KernelBuild, staging: &Path) -> Result<(), Error> {
    let root = modules_folder(build);
    if !root.exists() {
        return Ok(());
    }
    let failed = |source| Error::Read { path: root.clone(), source };
    for entry in fs::read_dir(&root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_packaged(&entry.file_name().to_string_lossy()) {
            let link = staging.join(entry.file_name());
            symlink(entry.path(), &link).map_err(|source| Error::Write { path: link, source })?;
        }
    }
    Ok(())
}
