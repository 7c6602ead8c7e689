//! Writes a tree into an empty folder so that nothing can end up anywhere else.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::path::Unsafe;

/// What went wrong with one entry.
#[derive(Debug)]
pub enum Failure {
    Unsafe(Unsafe),
    /// The entry's content could not be read.
    Read(io::Error),
    Write(PathBuf, io::Error),
}

/// Every folder on the way to an entry is one that the writer made itself, and every file is
/// created anew, so that no link in the tree is ever followed.
#[derive(Debug)]
pub struct Writer {
    root: PathBuf,
    folders: HashSet<PathBuf>,
    buffer: Vec<u8>,
}

impl Writer {
    /// Creates `root`.
    pub fn create(root: &Path) -> Result<Writer, Failure> {
        let writer = Writer { root: root.to_owned(), folders: HashSet::new(), buffer: vec![0; 256 * 1024] };
        fs::create_dir(root).map_err(|error| Failure::Write(root.to_owned(), error))?;
        Ok(writer)
    }

    /// Makes the folder and those above it, where they are not there yet.
    pub fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        if path.as_os_str().is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        self.parent(path)?;
        let place = self.root.join(path);
        fs::create_dir(&place).map_err(|error| failed(place.clone(), error, Unsafe::ThroughLink))?;
        // The user's umask must not show in the tree.
        fs::set_permissions(&place, Permissions::from_mode(0o755))
            .map_err(|error| Failure::Write(place, error))?;
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn parent(&mut self, path: &Path) -> Result<(), Failure> {
        path.parent().map_or(Ok(()), |parent| self.folder(parent))
    }

    /// `modified` is in seconds since the epoch.
    pub fn file(
        &mut self,
        path: &Path,
        executable: bool,
        modified: i64,
        mut content: impl Read,
    ) -> Result<(), Failure> {
        self.parent(path)?;
        let place = self.root.join(path);
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&place)
            .map_err(|error| failed(place.clone(), error, Unsafe::Twice))?;
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Read(error)),
            };
            file.write_all(&self.buffer[..count]).map_err(|error| Failure::Write(place.clone(), error))?;
        }
        finish(&file, mode, modified).map_err(|error| Failure::Write(place, error))
    }

    pub fn link(&mut self, path: &Path, target: &Path) -> Result<(), Failure> {
        self.parent(path)?;
        let place = self.root.join(path);
        std::os::unix::fs::symlink(target, &place).map_err(|error| failed(place, error, Unsafe::Twice))
    }

    /// A hard link, written as a file of its own: patching one name must not change the other.
    pub fn copy(&mut self, path: &Path, original: &Path, modified: i64) -> Result<(), Failure> {
        let nothing = || Failure::Unsafe(Unsafe::LinkToNothing { target: original.to_owned() });
        let inside = original
            .parent()
            .is_none_or(|parent| parent.as_os_str().is_empty() || self.folders.contains(parent));
        let source = self.root.join(original);
        let meta = fs::symlink_metadata(&source).ok().filter(|meta| inside && meta.is_file());
        let executable = meta.ok_or_else(nothing)?.permissions().mode() & 0o111 != 0;
        let content = File::open(&source).map_err(Failure::Read)?;
        self.file(path, executable, modified, content)
    }
}

fn finish(file: &File, mode: u32, modified: i64) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    // The archive's time, not ours: make compares it with that of the objects of earlier builds.
    let since = Duration::from_secs(modified.max(0) as u64);
    file.set_modified(SystemTime::UNIX_EPOCH + since)
}

fn failed(place: PathBuf, error: io::Error, exists: Unsafe) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Unsafe(exists),
        io::ErrorKind::NotADirectory => Failure::Unsafe(Unsafe::ThroughLink),
        _ => Failure::Write(place, error),
    }
}
