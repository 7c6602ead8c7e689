//! What is packaged: one list of files for all formats.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::Error;
use super::meter::Meter;
use crate::build::KernelBuild;
use crate::key::hex;

/// What a file is for the kernel; where it goes is the format's business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Image,
    SystemMap,
    Config,
    /// A file of `lib/modules/<release>`, by its path below it.
    Modules(String),
    /// The same, but written by depmod, which runs again where the package is installed.
    Depmod(String),
    /// A file that only one format has, by its path from the root, without a slash in front.
    Documentation(String),
}

#[derive(Clone, Debug)]
pub enum Content {
    Disk(PathBuf),
    Memory(Vec<u8>),
}

impl Content {
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Content::Disk(path) => Box::new(File::open(path)?),
            Content::Memory(bytes) => Box::new(bytes.as_slice()),
        })
    }

    /// For messages.
    pub(super) fn shown(&self) -> PathBuf {
        match self {
            Content::Disk(path) => path.clone(),
            Content::Memory(_) => PathBuf::from("(generated)"),
        }
    }
}

/// A regular file. Its owner is root, its time the payload's.
#[derive(Clone, Debug)]
pub struct PayloadFile {
    pub role: Role,
    /// Permission bits.
    pub mode: u32,
    pub content: Content,
    pub bytes: u64,
    /// Hexadecimal, for dpkg's md5sums.
    pub md5: String,
    /// Hexadecimal, for rpm's header.
    pub sha256: String,
}

#[derive(Clone, Debug)]
pub struct Payload {
    /// Seconds since the epoch, in the width that rpm has for it.
    pub timestamp: u32,
    /// Sorted by role.
    pub files: Vec<PayloadFile>,
}

impl PayloadFile {
    fn on_disk(role: Role, mode: u32, path: PathBuf) -> Result<PayloadFile, Error> {
        let bytes = path.metadata().map_err(|source| Error::Read { path: path.clone(), source })?.len();
        let (md5, sha256) = Default::default();
        Ok(PayloadFile { role, mode, content: Content::Disk(path), bytes, md5, sha256 })
    }

    pub(super) fn in_memory(role: Role, content: Vec<u8>) -> PayloadFile {
        PayloadFile {
            role,
            mode: 0o644,
            bytes: content.len() as u64,
            md5: hex(&Md5::digest(&content)),
            sha256: hex(&Sha256::digest(&content)),
            content: Content::Memory(content),
        }
    }
}

impl Payload {
    /// Lists the kernel's files and those that depmod left in `dependencies`; reads none.
    pub(super) fn list(build: &KernelBuild, dependencies: &Path) -> Result<Payload, Error> {
        let timestamp =
            u32::try_from(build.timestamp).map_err(|_| Error::Timestamp { timestamp: build.timestamp })?;
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
        for (name, disk) in regular_files(dependencies)? {
            files.push(PayloadFile::on_disk(Role::Depmod(name), 0o644, disk)?);
        }
        files.sort_by(|a, b| a.role.cmp(&b.role));
        Ok(Payload { timestamp, files })
    }

    /// What there is to read from disk.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        let on_disk = |file: &&PayloadFile| matches!(file.content, Content::Disk(_));
        self.files.iter().filter(on_disk).map(|file| file.bytes).sum()
    }

    /// Reads every file once for its size and checksums.
    pub(super) fn measure(&mut self, meter: &Meter) -> Result<(), Error> {
        for file in &mut self.files {
            let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
            file.bytes = meter.each_piece(file, |piece| {
                md5.update(piece);
                sha256.update(piece);
                Ok(())
            })?;
            file.md5 = hex(&md5.finalize());
            file.sha256 = hex(&sha256.finalize());
        }
        Ok(())
    }
}

/// The folder that holds the kernel's modules in the build's result.
pub(super) fn modules_folder(build: &KernelBuild) -> PathBuf {
    build.modules().join("lib/modules").join(&build.release)
}

/// Whether a name directly below `lib/modules/<release>` belongs into a package.
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

fn regular_files(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for (name, path) in entries(folder)? {
        walk(name, path, &mut found)?;
    }
    Ok(found)
}

fn walk(relative: String, path: PathBuf, found: &mut BTreeMap<String, PathBuf>) -> Result<(), Error> {
    let kind =
        path.symlink_metadata().map_err(|source| Error::Read { path: path.clone(), source })?.file_type();
    if kind.is_file() {
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

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// From the root, without a slash in front.
    pub path: String,
    pub kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// Mode 0755.
    Directory,
    File(&'a PayloadFile),
}

/// The files at their places and the folders above them that the package owns, sorted by path.
pub(super) fn members<'a>(
    placed: impl IntoIterator<Item = (String, &'a PayloadFile)>,
    owned: impl Fn(&str) -> bool,
) -> Vec<Member<'a>> {
    let mut members = BTreeMap::new();
    for (path, file) in placed {
        for (end, _) in path.match_indices('/').filter(|(end, _)| owned(&path[..*end])) {
            members.entry(path[..end].to_owned()).or_insert(Kind::Directory);
        }
        members.insert(path, Kind::File(file));
    }
    members.into_iter().map(|(path, kind)| Member { path, kind }).collect()
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

    #[test]
    fn folders_stand_before_what_is_in_them_and_only_where_the_package_owns_them() {
        let file = PayloadFile::in_memory(Role::Image, vec![1]);
        let placed = ["lib/m/r/kernel/x.ko", "lib/m/r-a", "lib/m/r/vmlinuz"].map(|p| (p.to_owned(), &file));
        let paths: Vec<_> =
            members(placed, |path| path.starts_with("lib/m/r")).into_iter().map(|m| m.path).collect();
        assert_eq!(
            paths,
            ["lib/m/r", "lib/m/r-a", "lib/m/r/kernel", "lib/m/r/kernel/x.ko", "lib/m/r/vmlinuz"]
        );
    }
}
