//! Files that appear in the output folder only when they are complete.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::compress::Encoder;
use super::{Error, Written};
use crate::base::cache_key::hex;
use crate::base::options::Compression;

/// Compressed data on its way into a package, in a file without a name.
///
/// Both formats announce the compressed size, and rpm its checksum, in front of the data.
pub(super) struct Spool {
    pub file: File,
    pub bytes: u64,
    /// Of the compressed data.
    pub sha256: String,
    /// Of the data before compression.
    pub plain_sha256: String,
}

impl Spool {
    /// Compresses what `fill` writes. The file system is the one of `target`, so that a lack
    /// of space shows here.
    pub fn fill(
        target: &Path,
        (compression, jobs): (Compression, usize),
        fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<Spool, Error> {
        let failed = |source| Error::Write { path: target.to_owned(), source };
        let file = nameless(target).map_err(failed)?;
        let compressed = Hashing::new(BufWriter::with_capacity(1 << 20, file));
        let mut plain = Hashing::new(Encoder::new(compression, compressed, jobs).map_err(failed)?);
        fill(&mut plain)?;
        let (encoder, plain_sha256, _) = plain.into_parts();
        let (writer, sha256, bytes) = encoder.finish().map_err(failed)?.into_parts();
        let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(Spool { file, bytes, sha256, plain_sha256 })
    }
}

/// A file in `target`'s folder that vanishes with the process, however that ends.
fn nameless(target: &Path) -> io::Result<File> {
    tempfile::tempfile_in(folder(target))
}

fn folder(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A complete package that has no name yet.
pub(super) struct Ready {
    file: File,
    package: Written,
}

/// Writes a package through `fill` into a nameless file.
pub(super) fn assemble(
    name: String,
    target: PathBuf,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<Ready, Error> {
    let failed = |source| Error::Write { path: target.clone(), source };
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 20, nameless(&target).map_err(failed)?));
    fill(&mut out)?;
    let (writer, sha256, bytes) = out.into_parts();
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Ready { file, package: Written { path: target, name, bytes, sha256 } })
}

impl Ready {
    /// Puts the package in place of an older one, in one step.
    pub fn publish(self) -> Result<Written, Error> {
        let path = &self.package.path;
        name_it(self.file, path).map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(self.package)
    }
}

/// Gives a nameless file its name, replacing what has it.
fn name_it(mut file: File, target: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let open_file = format!("/proc/self/fd/{}", file.as_raw_fd());
    // A link cannot replace a file, a rename can; so there is a second name for an instant.
    let second = tempfile::Builder::new().prefix(".kpatch-build-").make_in(folder(target), |path| {
        linkat(CWD, &open_file, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    });
    let second = match second {
        Ok(second) => second.into_temp_path(),
        // File systems without nameless files (NFS, say) gave one that was unlinked.
        Err(_) => copy(&mut file, target)?,
    };
    second.persist(target).map_err(|error| error.error)
}

fn copy(file: &mut File, target: &Path) -> io::Result<tempfile::TempPath> {
    let mut named = tempfile::Builder::new().prefix(".kpatch-build-").tempfile_in(folder(target))?;
    file.rewind()?;
    io::copy(file, named.as_file_mut())?;
    named.as_file().set_permissions(Permissions::from_mode(0o644))?;
    named.as_file().sync_all()?;
    Ok(named.into_temp_path())
}

/// Counts and hashes what passes.
struct Hashing<W> {
    inner: W,
    sha256: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Hashing<W> {
        Hashing { inner, sha256: Sha256::new(), bytes: 0 }
    }

    /// The writer, the checksum in hexadecimal, the length.
    fn into_parts(self) -> (W, String, u64) {
        (self.inner, hex(&self.sha256.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.sha256.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nameless_file_gets_its_name_in_one_step() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.deb");
        std::fs::write(&target, "old").unwrap();
        let mut file = nameless(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        name_it(file, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_files_cannot_be_linked_they_are_copied() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let target = dir.path().join("x.deb");
        let mut file = elsewhere.reopen().unwrap();
        file.write_all(b"new").unwrap();
        // Unlinked, so that it has no name to link to: what a file system without O_TMPFILE gives.
        elsewhere.close().unwrap();
        name_it(file, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
