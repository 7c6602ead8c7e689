//! The files outside of the source tree that a configuration names: their content becomes part of the kernel.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest, Sha256};

use super::build_dir::Error;
use crate::base::digest::{hash_file, hex};
use crate::base::files;
use crate::base::stop::Stop;
use crate::kernel::kconfig::Kconfig;

/// Options whose value is a list of files, and of directories for [`INITRAMFS`].
const OPTIONS: [&str; 4] =
    [INITRAMFS, "SYSTEM_BLACKLIST_HASH_LIST", "SYSTEM_REVOCATION_KEYS", "SYSTEM_TRUSTED_KEYS"];
const INITRAMFS: &str = "INITRAMFS_SOURCE";
/// Files below the directory that [`FIRMWARE_DIR`] names (drivers/base/firmware_loader/Kconfig).
const FIRMWARE: &str = "EXTRA_FIRMWARE";
const FIRMWARE_DIR: &str = "EXTRA_FIRMWARE_DIR";
const DEFAULT_FIRMWARE_DIR: &str = "/lib/firmware";

/// The absolute paths that the configuration names, and the files that a list for usr/gen_init_cpio.c names. Relative
/// paths are below the source tree.
pub(super) fn paths(kconfig: &Kconfig) -> Vec<PathBuf> {
    let values = |symbol: &str| {
        let value = kconfig.options.get(symbol).map_or("", |option| option.value.trim_matches('"'));
        value.split_whitespace().map(PathBuf::from).collect::<Vec<_>>()
    };
    let firmware_dir = values(FIRMWARE_DIR).pop().unwrap_or_else(|| DEFAULT_FIRMWARE_DIR.into());
    let mut paths: Vec<PathBuf> = OPTIONS.iter().flat_map(|symbol| values(symbol)).collect();
    paths.extend(values(FIRMWARE).iter().map(|name| firmware_dir.join(name)));
    paths.extend(values(INITRAMFS).iter().flat_map(|list| listed(list)));
    paths.retain(|path| path.is_absolute());
    paths
}

/// The files in a list for usr/gen_init_cpio.c: `file NAME LOCATION MODE UID GID`. An archive has no such lines.
fn listed(list: &Path) -> Vec<PathBuf> {
    if !list.is_file() {
        return Vec::new();
    }
    let text = files::read_text(list).unwrap_or_default();
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words
        .filter(|words| words.first() == Some(&"file"))
        .filter_map(|words| words.get(2).map(PathBuf::from))
        .collect()
}

/// SHA-256 of each path: of a file, its content; of a directory, the names, modes and contents below it. A path that
/// does not exist is left out.
///
/// # Errors
/// A file cannot be read, or a stop is requested.
pub(crate) fn digests(kconfig: &Kconfig, stop: &Stop) -> Result<BTreeMap<PathBuf, String>, Error> {
    let existing = paths(kconfig).into_iter().filter(|path| path.exists());
    existing.map(|path| Ok((path.clone(), digest(&path, stop)?))).collect()
}

fn digest(path: &Path, stop: &Stop) -> Result<String, Error> {
    if !path.is_dir() {
        return hash_file(path, stop);
    }
    let mut hasher = Sha256::new();
    let mut entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, meta) = (entry.path(), entry.metadata()?);
        let content = match meta.is_symlink() {
            true => hex(fs::read_link(&path)?.as_os_str().as_bytes()),
            false if meta.is_file() || meta.is_dir() => digest(&path, stop)?,
            false => String::new(),
        };
        let name = hex(entry.file_name().as_bytes());
        hasher.update(format!("{name} {:o} {content}\n", meta.permissions().mode()));
    }
    Ok(hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of an initramfs that the fragment names.
    fn of(value: &str) -> BTreeMap<PathBuf, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.config");
        fs::write(
            &path,
            format!("CONFIG_INITRAMFS_SOURCE=\"{value}\"\nCONFIG_SYSTEM_TRUSTED_KEYS=\"certs/a.pem\"\n"),
        )
        .unwrap();
        let kconfig = Kconfig::load(&[path.to_str().unwrap().to_owned()]).unwrap();
        digests(&kconfig, &Stop::default()).unwrap()
    }

    #[test]
    fn each_change_of_a_named_file_changes_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        let file = |name: &str| dir.path().join(name);
        fs::create_dir(file("tree")).unwrap();
        for name in ["init", "program", "tree/a"] {
            fs::write(file(name), "old").unwrap();
        }
        fs::write(file("list"), format!("dir /dev 0755 0 0\nfile /p {root}/program 0755 0 0\n")).unwrap();
        let value = format!("{root}/init {root}/list {root}/tree {root}/missing");
        let before = of(&value);
        let names: Vec<_> =
            before.keys().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["init", "list", "program", "tree"]);
        for (changed, name) in [("init", "init"), ("program", "program"), ("tree/a", "tree")] {
            fs::write(file(changed), "new").unwrap();
            assert_ne!(of(&value)[&file(name)], before[&file(name)], "{changed}");
        }
        let before = of(&value);
        fs::set_permissions(file("tree/a"), PermissionsExt::from_mode(0o755)).unwrap();
        assert_ne!(of(&value)[&file("tree")], before[&file("tree")]);
    }
}
