//! Reading, replacing and removing files.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use zeroize::Zeroizing;

/// The most bytes of a document that is read whole: a report, a kernel's configuration, a Makefile.
pub const LONGEST_DOCUMENT: u64 = 16 << 20;
/// The most bytes of a file with settings, or with a key.
pub const LONGEST_SETTINGS: u64 = 1 << 20;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// The file cannot be read, or has more bytes: [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_open(fs::File::open(path)?, limit)
}

/// As [`read`], of an open file.
///
/// # Errors
/// As [`read`].
pub fn read_open(file: fs::File, limit: u64) -> io::Result<Vec<u8>> {
    let path = file.path().to_owned();
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    match content.len() as u64 > limit {
        true => {
            let text = format!("`{}` has more than {} MiB", path.display(), limit >> 20);
            Err(io::Error::new(io::ErrorKind::FileTooLarge, text))
        }
        false => Ok(content),
    }
}

/// Reads a text of at most [`LONGEST_DOCUMENT`] bytes. Bytes that are not UTF-8 become U+FFFD.
///
/// # Errors
/// As [`read`].
pub fn read_text(path: &Path) -> io::Result<String> {
    read(path, LONGEST_DOCUMENT).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces the content of `path` atomically: a reader sees the old content or the new one, never a part, and so
/// does a reader after a power loss. The file has mode 0644, whatever the umask.
///
/// # Errors
/// The directory of `path` is missing or cannot be written to.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".kpatch-build-").tempfile_in(parent)?;
        file.write_all(content)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(parent)?.sync_all()
    };
    write().map_err(|error| at("replace", path, error))
}

/// Waits until the name `path`, new or renamed, is on the disk.
///
/// # Errors
/// The directory of `path` cannot be synchronised.
pub fn sync_dir_of(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Waits until all data of the file system of `path` is on the disk: for many files, faster than to synchronise
/// each.
///
/// # Errors
/// The data cannot be written.
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    let file = fs::File::open(path)?;
    rustix::fs::syncfs(file.file()).map_err(|error| at("synchronise", path, error.into()))
}

/// Whether files of this user are to be trusted: this user's, root's, and those of the user who called sudo(8).
pub fn is_trusted_owner(uid: u32) -> bool {
    let sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    [Some(rustix::process::geteuid().as_raw()), Some(0), sudo].contains(&Some(uid))
}

/// Removes the file `path`; returns whether it existed.
///
/// # Errors
/// The file exists and cannot be removed.
pub fn remove_if_exists(path: &Path) -> io::Result<bool> {
    existed(fs::remove_file(path))
}

/// Removes the directory `path` with everything in it; returns whether it existed.
///
/// # Errors
/// The directory exists and cannot be removed.
pub fn remove_dir_if_exists(path: &Path) -> io::Result<bool> {
    existed(fs::remove_dir_all(path))
}

fn existed(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts operation and path in front of an error from a call that [`fs_err`] does not wrap.
pub fn at(operation: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {operation} `{}`: {error}", path.display()))
}

/// Whether the file system of `path` has no room for another file: less than 1 MiB, or no inode.
pub(crate) fn is_disk_full(path: &Path) -> bool {
    // btrfs and others that have no fixed number of inodes report 0 of 0.
    rustix::fs::statvfs(path).is_ok_and(|system| {
        system.f_bavail * system.f_frsize < 1 << 20 || (system.f_files > 0 && system.f_favail == 0)
    })
}

/// Reads a file with a secret; its bytes are overwritten when they are dropped. Anything but a regular file, such as a pipe
/// of a shell, is refused: the secret is read again when it is needed, and every program that the tool starts could
/// read from the pipe meanwhile.
pub(crate) fn read_secret(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let text = format!("{} is not a regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    read(path, LONGEST_SETTINGS).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_its_new_content_and_all_users_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_named() {
        let error = replace(Path::new("/no/such/directory/file"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/no/such/directory/file"), "{error}");
    }

    #[test]
    fn removing_a_missing_file_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        assert!(remove_if_exists(&path).unwrap());
        assert!(!remove_if_exists(&path).unwrap());
        assert!(!remove_dir_if_exists(&path).unwrap());
        assert!(remove_if_exists(dir.path()).is_err(), "a directory is no file");
    }
}
