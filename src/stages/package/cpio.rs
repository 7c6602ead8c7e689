//! The "new ASCII" cpio format (cpio(5)), as rpm's payload has it.

use std::io::{self, Write};

/// One entry's header.
pub(super) struct Header<'a> {
    pub name: &'a str,
    pub inode: u32,
    /// File type and permissions.
    pub mode: u32,
    pub links: u32,
    pub mtime: u32,
    pub bytes: u32,
}

const TRAILER: Header = Header { name: "TRAILER!!!", inode: 0, mode: 0, links: 1, mtime: 0, bytes: 0 };

impl Header<'_> {
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        // Owner, group and the four device numbers are 0, as is the checksum of this variant.
        let name_bytes = self.name.len() as u32 + 1;
        let (ino, mode, nlink, mtime, size) = (self.inode, self.mode, self.links, self.mtime, self.bytes);
        write!(out, "070701{ino:08X}{mode:08X}{:08X}{:08X}{nlink:08X}{mtime:08X}{size:08X}", 0, 0)?;
        write!(out, "{:08X}{:08X}{:08X}{:08X}{name_bytes:08X}{:08X}", 0, 0, 0, 0, 0)?;
        write!(out, "{}\0", self.name)?;
        // 110 is the length of what stands in front of the name.
        pad(out, 110 + u64::from(name_bytes))
    }
}

/// Fills up to a multiple of four after `written` bytes.
pub(super) fn pad(out: &mut dyn Write, written: u64) -> io::Result<()> {
    out.write_all(&[0; 3][..(written.wrapping_neg() % 4) as usize])
}

pub(super) fn finish(out: &mut dyn Write) -> io::Result<()> {
    TRAILER.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_thirteen_fields_and_an_aligned_name() {
        let mut out = Vec::new();
        let header = Header { name: "./a", inode: 1, mode: 0o100644, links: 1, mtime: 2, bytes: 5 };
        header.write(&mut out).unwrap();
        assert_eq!(out.len(), 116);
        assert_eq!(&out[..14], b"07070100000001");
        assert_eq!(&out[14..22], b"000081A4");
        assert_eq!(&out[54..62], b"00000005");
        assert_eq!(&out[94..102], b"00000004");
        assert_eq!(&out[110..], b"./a\0\0\0");
    }
}
