//! The files of a finished build in each package.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::elf;
use super::error::Error;
use super::payload::{FileContent, FileFlags, Payload, PayloadFile, Role};
use crate::base::options::Part;
use crate::stages::build::KernelBuild;

/// Lists the files of a part without reading any of them to its end; `dependencies` is the directory that
/// depmod wrote to.
pub(super) fn list(build: &KernelBuild, part: Part, dependencies: &Path) -> Result<Payload, Error> {
    let files = match part {
        Part::Image => image(build, dependencies)?,
        Part::Headers => headers(kept(build, part)?)?,
        Part::Debug => debug(kept(build, part)?)?,
        Part::LibcDev => libc_dev(kept(build, part)?)?,
    };
    Payload::new(build.timestamp, files)
}

fn kept(build: &KernelBuild, part: Part) -> Result<&Path, Error> {
    build.part(part).ok_or(Error::NotKept { part })
}

fn image(build: &KernelBuild, dependencies: &Path) -> Result<Vec<PayloadFile>, Error> {
    let mut files = vec![
        PayloadFile::on_disk(Role::Image, 0o644, build.image())?,
        // Its addresses help attackers, so only root may read it, as on the distributions.
        PayloadFile::on_disk(Role::SystemMap, 0o600, build.system_map())?,
        PayloadFile::on_disk(Role::Config, 0o644, build.config())?,
    ];
    for (path, disk) in module_files(build)? {
        files.push(PayloadFile::on_disk(Role::Modules(path), 0o644, disk)?);
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        // A kernel without modules has none of these files, but depmod and the initramfs generators
        // complain if they are missing.
        let role = Role::Modules(name.to_owned());
        if !files.iter().any(|file| file.role == role) {
            files.push(PayloadFile::in_memory(role, Vec::new()));
        }
    }
    for (name, disk) in files_below(dependencies)? {
        files.push(PayloadFile::on_disk(Role::Depmod(name), 0o644, disk)?.with_flags(FileFlags::Regenerated));
    }
    Ok(files)
}

fn headers(dir: &Path) -> Result<Vec<PayloadFile>, Error> {
    let mut files = vec![PayloadFile::link(
        Role::Modules("build".to_owned()),
        FileContent::LinkTo(Role::Headers(String::new())),
    )];
    for (path, disk) in files_below(dir)? {
        let meta = fs::symlink_metadata(&disk)?;
        let role = Role::Headers(path);
        files.push(if meta.is_symlink() {
            let target = fs::read_link(&disk)?.into_os_string().into_string();
            let target = target.map_err(|_| Error::NotPackageable { path: disk })?;
            PayloadFile::link(role, FileContent::Link(target))
        } else {
            PayloadFile::on_disk(role, meta.permissions().mode() & 0o777, disk)?
        });
    }
    Ok(files)
}

fn debug(dir: &Path) -> Result<Vec<PayloadFile>, Error> {
    let link = |role| PayloadFile::link(role, FileContent::LinkTo(Role::Vmlinux));
    let mut files = vec![link(Role::VmlinuxForKdump), link(Role::VmlinuxForSystemtap)];
    for (path, disk) in files_below(dir)? {
        let role = if path == "vmlinux" { Role::Vmlinux } else { Role::ModuleDebug(path) };
        if let Some(id) = elf::build_id(&disk)? {
            files.push(PayloadFile::link(Role::BuildId(id), FileContent::LinkTo(role.clone())));
        }
        files.push(PayloadFile::on_disk(role, 0o644, disk)?);
    }
    // Two modules built from the same objects have the same id; one link is enough.
    files.sort_by(|a, b| a.role.cmp(&b.role));
    files.dedup_by(|a, b| a.role == b.role);
    Ok(files)
}

fn libc_dev(dir: &Path) -> Result<Vec<PayloadFile>, Error> {
    let file = |(path, disk)| PayloadFile::on_disk(Role::Uapi(path), 0o644, disk);
    files_below(dir)?.into_iter().map(file).collect()
}

/// The directory of the kernel's modules in the build's result.
pub(super) fn modules_dir(build: &KernelBuild) -> PathBuf {
    build.modules().join("lib/modules").join(&build.release)
}

/// Whether a name directly below `lib/modules/<release>` belongs to the image package.
///
/// `build` and `source` link to the build's own directories. If the build ran depmod, its files may describe
/// an earlier `System.map`.
pub(super) fn is_packaged(name: &str) -> bool {
    const KEPT: [&str; 4] =
        ["modules.builtin", "modules.builtin.modinfo", "modules.builtin.ranges", "modules.order"];
    !matches!(name, "build" | "source") && (!name.starts_with("modules.") || KEPT.contains(&name))
}

fn module_files(build: &KernelBuild) -> Result<BTreeMap<String, PathBuf>, Error> {
    let root = modules_dir(build);
    let mut found = BTreeMap::new();
    // A kernel without loadable modules has no such directory.
    if root.exists() {
        for (name, path) in entries(&root)? {
            if is_packaged(&name) {
                walk(name, path, &mut found)?;
            }
        }
    }
    Ok(found)
}

/// Files and symbolic links below `dir`, by their relative path.
fn files_below(dir: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for (name, path) in entries(dir)? {
        walk(name, path, &mut found)?;
    }
    Ok(found)
}

fn walk(relative: String, path: PathBuf, found: &mut BTreeMap<String, PathBuf>) -> Result<(), Error> {
    let kind = fs::symlink_metadata(&path)?.file_type();
    if kind.is_file() || kind.is_symlink() {
        found.insert(relative, path);
    } else if kind.is_dir() {
        for (name, path) in entries(&path)? {
            walk(format!("{relative}/{name}"), path, found)?;
        }
    } else {
        return Err(Error::NotPackageable { path });
    }
    Ok(())
}

/// Names and paths of the entries of `dir`.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let named = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        match entry.file_name().into_string() {
            Ok(name) => Ok((name, entry.path())),
            Err(_) => Err(Error::NotPackageable { path: entry.path() }),
        }
    };
    fs::read_dir(dir)?.map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_build_and_old_depmod_data_are_not_packaged() {
        for name in ["kernel", "updates", "modules.order", "modules.builtin.modinfo"] {
            assert!(is_packaged(name), "{name}");
        }
        for name in ["build", "source", "modules.dep", "modules.dep.bin", "modules.builtin.bin"] {
            assert!(!is_packaged(name), "{name}");
        }
    }
}
