//! Writes tar archives as dpkg does.

use std::io::{self, Write};

/// Writes the archive around [`tar::Header`], because [`tar::Builder`] drops the `./` before each path that
/// every other `.deb` has. Paths are relative to the root directory.
pub(super) struct TarWriter<'a> {
    /// Modification time of all entries, in seconds since the epoch.
    pub(super) timestamp: u32,
    pub(super) out: &'a mut dyn Write,
}

impl TarWriter<'_> {
    pub(super) fn directory(&mut self, path: &str) -> io::Result<()> {
        let slash = if path.is_empty() { "" } else { "/" };
        self.entry(&format!("./{path}{slash}"), tar::EntryType::Directory, 0o755, 0, "")
    }

    /// Writes the header of a file; the content and [`TarWriter::pad`] must follow.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: u64) -> io::Result<()> {
        self.entry(&format!("./{path}"), tar::EntryType::Regular, mode, bytes, "")
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.entry(&format!("./{path}"), tar::EntryType::Symlink, 0o777, 0, target)
    }

    fn entry(
        &mut self,
        name: &str,
        kind: tar::EntryType,
        mode: u32,
        bytes: u64,
        link: &str,
    ) -> io::Result<()> {
        self.long(tar::EntryType::GNULongName, name)?;
        self.long(tar::EntryType::GNULongLink, link)?;
        let header = raw_header(name, link, kind, mode, bytes, u64::from(self.timestamp));
        self.out.write_all(header.as_bytes())
    }

    /// Writes a text that exceeds its header field as GNU tar does: as the content of an entry before it.
    fn long(&mut self, kind: tar::EntryType, text: &str) -> io::Result<()> {
        if text.len() <= NAME_FIELD {
            return Ok(());
        }
        let length = text.len() as u64 + 1;
        self.out.write_all(raw_header("././@LongLink", "", kind, 0o644, length, 0).as_bytes())?;
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(length)
    }

    /// Fills the last block after `written` bytes of content.
    pub(super) fn pad(&mut self, written: u64) -> io::Result<()> {
        self.out.write_all(&[0; 512][..(written.wrapping_neg() % 512) as usize])
    }

    /// Writes the end marker of the archive.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.out.write_all(&[0; 1024])
    }
}

/// Bytes in the header for a path or for the target of a link.
const NAME_FIELD: usize = 100;

fn raw_header(
    name: &str,
    link: &str,
    kind: tar::EntryType,
    mode: u32,
    bytes: u64,
    mtime: u64,
) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    let gnu = header.as_gnu_mut().expect("created as a GNU header");
    put(&mut gnu.name, name);
    put(&mut gnu.linkname, link);
    put(&mut gnu.uname, "root");
    put(&mut gnu.gname, "root");
    header.set_cksum();
    header
}

fn put(field: &mut [u8], text: &str) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}
