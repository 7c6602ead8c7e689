//! Writes a tree into an empty directory so that no entry can end up outside of it.

use std::collections::HashSet;
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err::os::unix::fs::{OpenOptionsExt, symlink};
use fs_err::{self as fs, File, OpenOptions};

use super::path::Unsafe;
use super::tar_limits::CONTENT;

/// Why an entry was not written.
#[derive(Debug)]
pub(crate) enum EntryError {
    /// The entry could end up outside of the tree, or its type is not allowed in a tree.
    Unsafe(Unsafe),
    /// The content cannot be read.
    Read(io::Error),
    /// The file cannot be written.
    Write(io::Error),
}

/// Writes entries below one directory.
///
/// The writer creates every directory on the way to an entry and creates every file anew: it never follows a
/// symbolic link of the tree.
#[derive(Debug)]
pub(crate) struct Writer {
    root: PathBuf,
    directories: HashSet<PathBuf>,
    buffer: Vec<u8>,
    /// Bytes of all files so far.
    written: u64,
}

impl Writer {
    /// Creates `root`.
    pub(crate) fn create(root: &Path) -> Result<Writer, EntryError> {
        fs::create_dir(root).map_err(EntryError::Write)?;
        let buffer = vec![0; 256 * 1024];
        Ok(Writer { root: root.to_owned(), directories: HashSet::new(), buffer, written: 0 })
    }

    /// Creates a directory and its parents unless they exist. The mode is 0755.
    pub(crate) fn directory(&mut self, path: &Path) -> Result<(), EntryError> {
        if path.as_os_str().is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        self.parent(path)?;
        let target = self.root.join(path);
        fs::create_dir(&target).map_err(|error| rejected(error, Unsafe::ThroughLink))?;
        // The user's umask must not affect the tree.
        fs::set_permissions(&target, Permissions::from_mode(0o755)).map_err(EntryError::Write)?;
        self.directories.insert(path.to_owned());
        Ok(())
    }

    fn parent(&mut self, path: &Path) -> Result<(), EntryError> {
        path.parent().map_or(Ok(()), |parent| self.directory(parent))
    }

    /// Writes a file with mode 0755 or 0644. `modified` is in seconds since the epoch.
    pub(crate) fn file(
        &mut self,
        path: &Path,
        executable: bool,
        modified: i64,
        mut content: impl Read,
    ) -> Result<(), EntryError> {
        self.parent(path)?;
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(self.root.join(path))
            .map_err(|error| rejected(error, Unsafe::Twice))?;
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(EntryError::Read(error)),
            };
            self.written += count as u64;
            if self.written > CONTENT {
                // A small archive can name one large file many times.
                return Err(EntryError::Read(too_large()));
            }
            file.write_all(&self.buffer[..count]).map_err(EntryError::Write)?;
        }
        finish(&file, mode, modified).map_err(EntryError::Write)
    }

    /// Writes a symbolic link.
    pub(crate) fn link(&mut self, path: &Path, target: &Path) -> Result<(), EntryError> {
        self.parent(path)?;
        symlink(target, self.root.join(path)).map_err(|error| rejected(error, Unsafe::Twice))
    }

    /// Writes a hard link to `original` as a separate file: patching one name must not change the other.
    pub(crate) fn copy(&mut self, path: &Path, original: &Path, modified: i64) -> Result<(), EntryError> {
        let nothing = || EntryError::Unsafe(Unsafe::LinkToNothing { target: original.to_owned() });
        let inside = original
            .parent()
            .is_none_or(|parent| parent.as_os_str().is_empty() || self.directories.contains(parent));
        let source = self.root.join(original);
        let meta = fs::symlink_metadata(&source).ok().filter(|meta| inside && meta.is_file());
        let executable = meta.ok_or_else(nothing)?.permissions().mode() & 0o111 != 0;
        let content = File::open(&source).map_err(EntryError::Read)?;
        self.file(path, executable, modified, content)
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its files have more than {} GiB", CONTENT >> 30))
}

fn finish(file: &File, mode: u32, modified: i64) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    // The archive's time, not the current time: make compares it with the objects of earlier builds.
    let since_epoch = Duration::from_secs(modified.max(0) as u64);
    file.set_modified(SystemTime::UNIX_EPOCH + since_epoch)
}

fn rejected(error: io::Error, exists: Unsafe) -> EntryError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => EntryError::Unsafe(exists),
        io::ErrorKind::NotADirectory => EntryError::Unsafe(Unsafe::ThroughLink),
        _ => EntryError::Write(error),
    }
}
