//! Which files of a finished build go into which package.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::payload::{Content, Nature, Payload, PayloadFile, Role};
use super::{Error, elf};
use crate::base::options::Part;
use crate::stages::build::KernelBuild;

/// Lists a part's files; `dependencies` holds what depmod wrote. Reads no file whole.
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
        // The addresses in it help whoever attacks the kernel: root's only, as the
        // distributions have it.
        PayloadFile::on_disk(Role::SystemMap, 0o600, build.system_map())?,
        PayloadFile::on_disk(Role::Config, 0o644, build.config())?,
    ];
    for (path, disk) in module_files(build)? {
        files.push(PayloadFile::on_disk(Role::Modules(path), 0o644, disk)?);
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        // A kernel without modules has none of them, but depmod and the initramfs
        // generators complain where they are missing.
        let role = Role::Modules(name.to_owned());
        if !files.iter().any(|file| file.role == role) {
            files.push(PayloadFile::in_memory(role, Vec::new()));
        }
    }
    for (name, disk) in files_below(dependencies)? {
        files.push(PayloadFile::on_disk(Role::Depmod(name), 0o644, disk)?.of_nature(Nature::Rewritten));
    }
    Ok(files)
}

fn headers(folder: &Path) -> Result<Vec<PayloadFile>, Error> {
    let mut files = vec![PayloadFile::link(
        Role::Modules("build".to_owned()),
        Content::LinkTo(Role::Headers(String::new())),
    )];
    for (path, disk) in files_below(folder)? {
        let failed = |source| Error::Read { path: disk.clone(), source };
        let meta = disk.symlink_metadata().map_err(failed)?;
        let role = Role::Headers(path);
        files.push(if meta.is_symlink() {
            let text = fs::read_link(&disk).map_err(failed)?;
            let text = text.into_os_string().into_string();
            let text = text.map_err(|_| Error::NotPackageable { path: disk.clone() })?;
            PayloadFile::link(role, Content::Link(text))
        } else {
            PayloadFile::on_disk(role, meta.permissions().mode() & 0o777, disk)?
        });
    }
    Ok(files)
}

fn debug(folder: &Path) -> Result<Vec<PayloadFile>, Error> {
    let link = |place| PayloadFile::link(Role::VmlinuxLink(place), Content::LinkTo(Role::Vmlinux));
    let mut files = vec![link(0), link(1)];
    for (path, disk) in files_below(folder)? {
        let role = if path == "vmlinux" { Role::Vmlinux } else { Role::ModuleDebug(path) };
        if let Some(id) = elf::build_id(&disk)? {
            files.push(PayloadFile::link(Role::BuildId(id), Content::LinkTo(role.clone())));
        }
        files.push(PayloadFile::on_disk(role, 0o644, disk)?);
    }
    // Two modules of the same objects have the same id; one of them has to do.
    files.sort_by(|a, b| a.role.cmp(&b.role));
    files.dedup_by(|a, b| a.role == b.role);
    Ok(files)
}

fn libc_dev(folder: &Path) -> Result<Vec<PayloadFile>, Error> {
    let file = |(path, disk)| PayloadFile::on_disk(Role::Uapi(path), 0o644, disk);
    files_below(folder)?.into_iter().map(file).collect()
}

/// The folder that holds the kernel's modules in the build's result.
pub(super) fn modules_folder(build: &KernelBuild) -> PathBuf {
    build.modules().join("lib/modules").join(&build.release)
}

/// Whether a name directly below `lib/modules/<release>` belongs into the image's package.
///
/// `build` and `source` lead to where the kernel was built. Files of depmod's, where the
/// build ran it, are of another `System.map` than the final one at worst.
pub(super) fn is_packaged(name: &str) -> bool {
    const KEPT: [&str; 4] =
        ["modules.builtin", "modules.builtin.modinfo", "modules.builtin.ranges", "modules.order"];
    !matches!(name, "build" | "source") && (!name.starts_with("modules.") || KEPT.contains(&name))
}

fn module_files(build: &KernelBuild) -> Result<BTreeMap<String, PathBuf>, Error> {
    let root = modules_folder(build);
    let mut found = BTreeMap::new();
    // A kernel without loadable modules has no such folder.
    if root.exists() {
        for (name, path) in entries(&root)? {
            if is_packaged(&name) {
                walk(name, path, &mut found)?;
            }
        }
    }
    Ok(found)
}

/// Files and symbolic links.
fn files_below(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for (name, path) in entries(folder)? {
        walk(name, path, &mut found)?;
    }
    Ok(found)
}

fn walk(relative: String, path: PathBuf, found: &mut BTreeMap<String, PathBuf>) -> Result<(), Error> {
    let kind =
        path.symlink_metadata().map_err(|source| Error::Read { path: path.clone(), source })?.file_type();
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

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let named = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.map_err(failed)?;
        match entry.file_name().into_string() {
            Ok(name) => Ok((name, entry.path())),
            Err(_) => Err(Error::NotPackageable { path: entry.path() }),
        }
    };
    fs::read_dir(folder).map_err(failed)?.map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_build_and_old_depmod_data_stay_out() {
        for name in ["kernel", "updates", "modules.order", "modules.builtin.modinfo"] {
            assert!(is_packaged(name), "{name}");
        }
        for name in ["build", "source", "modules.dep", "modules.dep.bin", "modules.builtin.bin"] {
            assert!(!is_packaged(name), "{name}");
        }
    }
}
