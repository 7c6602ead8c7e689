//! Package files that appear in the output directory only when they are complete.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::compress::Encoder;
use super::error::Error;
use crate::base::digest::{Hashed, Hashing};
use crate::base::options::Compression;

/// A package file, complete and under its name.
#[derive(Clone, Debug)]
pub struct WrittenPackage {
    /// The package file.
    pub path: PathBuf,
    /// The package name, without version and architecture.
    pub name: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, as 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Compressed data for a package, in an unnamed file.
///
/// Both formats announce the compressed size before the data, and rpm its checksum too.
pub(super) struct Spool {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// SHA-256 of the compressed data.
    pub(super) sha256: String,
    /// SHA-256 of the data before compression.
    pub(super) plain_sha256: String,
}

impl Spool {
    /// Compresses the output of `fill` with up to `jobs` threads. The file is on the file system of `target`:
    /// a full disk fails here, before any package appears.
    pub(super) fn fill(
        target: &Path,
        compression: Compression,
        jobs: usize,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<Spool, Error> {
        let failed = |source| Error::Write { path: target.to_owned(), source };
        let file = unnamed(target).map_err(failed)?;
        let compressed = Hashing::new(BufWriter::with_capacity(1 << 20, file));
        let mut plain = Hashing::new(Encoder::new(compression, compressed, jobs).map_err(failed)?);
        fill(&mut plain)?;
        let Hashed { inner: encoder, sha256: plain_sha256, .. } = plain.finish();
        let Hashed { inner: writer, sha256, bytes } = encoder.finish().map_err(failed)?.finish();
        let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(Spool { file, bytes, sha256, plain_sha256 })
    }
}

/// Opens a file in the directory of `target` that vanishes with the process, however it ends.
fn unnamed(target: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory(target))
}

fn directory(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A complete package without a name.
pub(super) struct PendingPackage {
    file: File,
    package: WrittenPackage,
}

/// Writes a package through `fill` into an unnamed file.
pub(super) fn assemble(
    name: String,
    target: PathBuf,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<PendingPackage, Error> {
    let failed = |source| Error::Write { path: target.clone(), source };
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 20, unnamed(&target).map_err(failed)?));
    fill(&mut out)?;
    let Hashed { inner: writer, sha256, bytes } = out.finish();
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(PendingPackage { file, package: WrittenPackage { path: target, name, bytes, sha256 } })
}

impl PendingPackage {
    /// Gives the package its name, atomically replacing an older file.
    pub(super) fn publish(self) -> Result<WrittenPackage, Error> {
        let path = &self.package.path;
        give_name(self.file, path).map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(self.package)
    }
}

/// Names an unnamed file `target`, replacing an existing file.
fn give_name(mut file: File, target: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let open_file = format!("/proc/self/fd/{}", file.as_raw_fd());
    // linkat cannot replace a file but rename can: link under a temporary name, then rename.
    let linked = tempfile::Builder::new().prefix(".kpatch-build-").make_in(directory(target), |path| {
        linkat(CWD, &open_file, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    });
    let temporary = match linked {
        Ok(linked) => linked.into_temp_path(),
        // File systems without O_TMPFILE, such as NFS, provide an unlinked file instead.
        Err(_) => copy(&mut file, target)?,
    };
    temporary.persist(target).map_err(|error| error.error)
}

fn copy(file: &mut File, target: &Path) -> io::Result<tempfile::TempPath> {
    let mut named = tempfile::Builder::new().prefix(".kpatch-build-").tempfile_in(directory(target))?;
    file.rewind()?;
    io::copy(file, named.as_file_mut())?;
    named.as_file().set_permissions(Permissions::from_mode(0o644))?;
    named.as_file().sync_all()?;
    Ok(named.into_temp_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_file_replaces_the_target_atomically() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.deb");
        std::fs::write(&target, "old").unwrap();
        let mut file = unnamed(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        give_name(file, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_linked_is_copied() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let target = dir.path().join("x.deb");
        let mut file = other.reopen().unwrap();
        file.write_all(b"new").unwrap();
        // Unlinked, it has no name to link to, as on a file system without O_TMPFILE.
        other.close().unwrap();
        give_name(file, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
