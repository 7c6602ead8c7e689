//! Files in the `O=` directory, which the build system of the source writes. What runs there has fewer rights than this
//! program: a symbolic link could make the program read or change a file that the build cannot reach.

use std::io;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use crate::base::files;

/// The path of `name`, a file or directory, below `dir`.
///
/// # Errors
/// It does not exist, `name` leaves `dir`, or a part of it is a symbolic link, a device or a pipe.
pub(crate) fn existing(dir: &Path, name: impl AsRef<Path>) -> io::Result<PathBuf> {
    let mut path = dir.to_owned();
    for part in name.as_ref().components() {
        let Component::Normal(part) = part else {
            return Err(refused(name.as_ref(), "leaves its directory"));
        };
        path.push(part);
        let meta = fs::symlink_metadata(&path)?;
        if !meta.is_file() && !meta.is_dir() {
            return Err(refused(&path, "is a link or a device, which no kernel has there"));
        }
    }
    Ok(path)
}

/// The text `name` below `dir`, of at most [`files::LONGEST_DOCUMENT`] bytes.
///
/// # Errors
/// As [`existing`], or it cannot be read.
pub(crate) fn text(dir: &Path, name: impl AsRef<Path>) -> io::Result<String> {
    files::read_text(&existing(dir, name)?)
}

/// Writes the file `name` below `dir`, with the directories above it; replaces whatever has its name.
///
/// # Errors
/// As [`existing`] for the directories above it, or it cannot be written.
pub(crate) fn write(dir: &Path, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
    let name = name.as_ref();
    let mut path = dir.to_owned();
    for part in name.parent().into_iter().flat_map(Path::components) {
        path.push(part);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let parent = existing(dir, name.parent().unwrap_or(Path::new("")))?;
    let path = parent.join(name.file_name().ok_or_else(|| refused(name, "is no file"))?);
    if fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file()) {
        fs::remove_file(&path)?;
    }
    fs::write(&path, content)?;
    Ok(path)
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_read_or_written_through_a_link() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = other.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        symlink(&secret, dir.path().join("file")).unwrap();
        symlink(other.path(), dir.path().join("directory")).unwrap();
        for name in ["file", "directory/secret", "directory", "../x", "/etc/passwd", "missing"] {
            assert!(existing(dir.path(), name).is_err(), "{name}");
        }
        write(dir.path(), "file", "new").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "new");
        for name in ["directory/secret", "directory/new", "../x", "/x"] {
            assert!(write(dir.path(), name, "new").is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_below_directories_are_read_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "certs/own/key.pem", "key").unwrap();
        assert_eq!(existing(dir.path(), "certs/own/key.pem").unwrap(), path);
        assert_eq!(existing(dir.path(), "").unwrap(), dir.path());
        assert_eq!(fs::read_to_string(path).unwrap(), "key");
    }
}
