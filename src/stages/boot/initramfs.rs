//! The root file system of the guest: a cpio archive in the kernel's "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;

use crate::base::archive::cpio::{self, Digits};

const DIRECTORY: u32 = 0o040755;
const CHARACTER_DEVICE: u32 = 0o020600;
const REGULAR: u32 = 0o100000;
const LINK: u32 = 0o120777;

/// An archive under construction. The directories above an entry are added with it.
#[derive(Debug, Default)]
pub(super) struct Initramfs {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    entries: u32,
}

impl Initramfs {
    /// An archive with `/dev/console`, which the kernel opens before anything is mounted.
    pub(super) fn new() -> Initramfs {
        let mut archive = Initramfs::default();
        archive.device("dev/console", 5, 1);
        archive
    }

    /// Adds a file; `name` has no leading slash.
    ///
    /// Panics if `content` has 4 GiB or more, which the format cannot express.
    pub(super) fn file(&mut self, name: &str, permissions: u32, content: &[u8]) {
        self.directories_above(name);
        let size = u32::try_from(content.len()).expect("a file in an initramfs is smaller than 4 GiB");
        self.entry(name, REGULAR | permissions, (0, 0), size, content);
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, name: &str, target: &str) {
        self.directories_above(name);
        self.entry(name, LINK, (0, 0), target.len() as u32, target.as_bytes());
    }

    /// Adds a directory of the host, with everything below it, as `name`.
    pub(super) fn tree(&mut self, name: &str, directory: &Path) -> io::Result<()> {
        self.directory(name);
        let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        // Makes the order independent of the host's file system.
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                self.tree(&name, &path)?;
            } else if kind.is_symlink() {
                self.link(&name, &fs::read_link(&path)?.to_string_lossy());
            } else {
                self.file(&name, entry.metadata()?.permissions().mode() & 0o777, &fs::read(&path)?);
            }
        }
        Ok(())
    }

    /// Adds a directory, unless the archive already has it.
    pub(super) fn directory(&mut self, name: &str) {
        self.directories_above(name);
        if self.directories.insert(name.to_owned()) {
            self.entry(name, DIRECTORY, (0, 0), 0, b"");
        }
    }

    /// Adds a character device.
    fn device(&mut self, name: &str, major: u32, minor: u32) {
        self.directories_above(name);
        self.entry(name, CHARACTER_DEVICE, (major, minor), 0, b"");
    }

    /// Ends the archive and returns its bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        cpio::Header::trailer(1).write(Digits::Lower, &mut self.bytes).expect("writing to a Vec cannot fail");
        self.bytes
    }

    fn directories_above(&mut self, name: &str) {
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), bytes: u32, content: &[u8]) {
        self.entries += 1;
        let links = 1 + u32::from(mode == DIRECTORY);
        let header = cpio::Header { name, inode: self.entries, mode, links, mtime: 0, bytes, device };
        let written = header.write(Digits::Lower, &mut self.bytes);
        self.bytes.extend_from_slice(content);
        let padded = cpio::pad(&mut self.bytes, u64::from(bytes));
        written.and(padded).expect("writing to a Vec cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::sha256;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn archive() -> Vec<u8> {
        let mut archive = Initramfs::new();
        archive.file("init", 0o755, b"#!");
        archive.file("usr/lib/x", 0o644, b"12345");
        archive.file("usr/lib/y", 0o644, b"");
        archive.link("lib", "usr/lib");
        archive.finish()
    }

    #[test]
    fn every_entry_starts_at_a_multiple_of_four() {
        let bytes = archive();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<_> = bytes.windows(6).enumerate().filter(|(_, w)| w == b"070701").collect();
        assert!(starts.iter().all(|(at, _)| at % 4 == 0));
        // dev, dev/console, init, usr, usr/lib, x, y, lib and the trailer.
        assert_eq!(starts.len(), 9);
    }

    #[test]
    fn the_bytes_of_an_archive_never_change() {
        let mut archive = Initramfs::new();
        archive.file("init", 0o755, b"#!");
        archive.file("usr/lib/x", 0o644, b"12345");
        archive.file("usr/lib/y", 0o644, b"");
        archive.link("lib", "usr/lib");
        archive.device("dev/ttyS1", 4, 65);
        assert_eq!(
            sha256(archive.finish()),
            "2910fbc59447e9b87e4dd02826a27516f5bff3ef29d2568250d14e60de591d44"
        );
    }

    #[test]
    fn a_header_has_the_fields_of_the_format() {
        let mut archive = Initramfs::default();
        archive.file("a", 0o755, b"xyz");
        let bytes = archive.finish();
        let field = |n: usize| std::str::from_utf8(&bytes[6 + 8 * n..14 + 8 * n]).unwrap();
        assert_eq!(u32::from_str_radix(field(1), 16).unwrap(), 0o100755);
        assert_eq!(field(6), "00000003");
        assert_eq!(field(11), "00000002");
        assert_eq!(&bytes[110..119], b"a\0xyz\x00070");
    }

    #[test]
    fn cpio_lists_what_was_written() {
        if !crate::need::have(&["cpio"]) {
            return;
        }
        let mut cpio = Command::new("cpio")
            .args(["-t", "--quiet", "-H", "newc"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        cpio.stdin.take().unwrap().write_all(&archive()).unwrap();
        let output = cpio.wait_with_output().unwrap();
        assert!(output.status.success());
        let listed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            listed.lines().collect::<Vec<_>>(),
            ["dev", "dev/console", "init", "usr", "usr/lib", "usr/lib/x", "usr/lib/y", "lib"]
        );
    }
}
