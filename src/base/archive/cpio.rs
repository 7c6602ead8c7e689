//! Writes the "new ASCII" cpio format, `newc`: cpio(5) and, for the kernel's initramfs,
//! Documentation/driver-api/early-userspace/buffer-format.rst.

use std::io::{self, Write};

/// Bytes of a header before the name: the magic number and 13 fields.
const FIXED: u64 = 6 + 13 * 8;

/// The case of hexadecimal digits. Readers accept both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digits {
    /// As the kernel's own generator writes them.
    Lower,
    /// As rpm writes them.
    Upper,
}

/// The header of one entry. Its owner, group, device and checksum are 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a str,
    pub(crate) inode: u32,
    /// File type and permissions.
    pub(crate) mode: u32,
    /// Number of hard links.
    pub(crate) links: u32,
    /// In seconds since the epoch.
    pub(crate) mtime: u32,
    /// Size of the content that follows.
    pub(crate) bytes: u32,
    /// Major and minor number of a device entry.
    pub(crate) device: (u32, u32),
}

impl Header<'_> {
    /// The entry that ends an archive.
    pub(crate) fn trailer(inode: u32) -> Header<'static> {
        Header { name: "TRAILER!!!", inode, links: 1, ..Header::default() }
    }

    /// Writes the header and its padding.
    pub(crate) fn write(&self, digits: Digits, out: &mut dyn Write) -> io::Result<()> {
        let name_bytes = self.name.len() as u32 + 1;
        let (major, minor) = self.device;
        out.write_all(b"070701")?;
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        for field in [
            self.inode, self.mode, 0, 0, self.links, self.mtime, self.bytes, 0, 0, major, minor, name_bytes,
            0,
        ] {
            match digits {
                Digits::Lower => write!(out, "{field:08x}")?,
                Digits::Upper => write!(out, "{field:08X}")?,
            }
        }
        write!(out, "{}\0", self.name)?;
        pad(out, FIXED + u64::from(name_bytes))
    }
}

/// Pads a header or content of `written` bytes to a multiple of four.
pub(crate) fn pad(out: &mut dyn Write, written: u64) -> io::Result<()> {
    out.write_all(&[0; 3][..(written.wrapping_neg() % 4) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_thirteen_fields_and_an_aligned_name() {
        let mut out = Vec::new();
        let header =
            Header { name: "./a", inode: 1, mode: 0o100644, links: 1, mtime: 2, bytes: 5, device: (0, 0) };
        header.write(Digits::Upper, &mut out).unwrap();
        assert_eq!(out.len(), 116);
        assert_eq!(&out[..14], b"07070100000001");
        assert_eq!(&out[14..22], b"000081A4");
        assert_eq!(&out[54..62], b"00000005");
        assert_eq!(&out[94..102], b"00000004");
        assert_eq!(&out[110..], b"./a\0\0\0");
    }

    #[test]
    fn digits_have_the_requested_case() {
        let mut out = Vec::new();
        Header { name: "a", device: (5, 0xab), ..Header::default() }.write(Digits::Lower, &mut out).unwrap();
        assert_eq!(&out[78..94], b"00000005000000ab");
        Header::trailer(1).write(Digits::Upper, &mut out).unwrap();
        assert_eq!(out.len() % 4, 0);
    }
}
