//! Limits on a tar stream: a small archive must not fill memory or disk (POSIX.1-2017, pax, "ustar Interchange Format").

use std::io::{self, Read};

use tar::{EntryType, Header};

/// Limit in bytes of a long name and of extended headers, which the tar crate keeps in memory.
const LONGEST_HEADER: u64 = 64 << 10;
/// Limit of the number of headers. Linux 7.2 has 95,000 files.
const ENTRIES: u64 = 400_000;
/// Limit in bytes of the whole archive. Linux 7.2 has 1.7 GiB.
pub(crate) const CONTENT: u64 = 4 << 30;
const BLOCK: usize = 512;

/// A tar stream that fails beyond the limits. It reads the headers besides the tar crate, which has no limits.
pub(crate) struct LimitedTar<R> {
    inner: R,
    /// Bytes of the current header so far.
    header: Vec<u8>,
    /// Bytes up to the next header.
    body: u64,
    /// The body of extended headers.
    extended: Option<Vec<u8>>,
    entries: u64,
    total: u64,
    has_ended: bool,
}

impl<R: Read> LimitedTar<R> {
    pub(crate) fn new(inner: R) -> LimitedTar<R> {
        LimitedTar {
            inner,
            header: Vec::new(),
            body: 0,
            extended: None,
            entries: 0,
            total: 0,
            has_ended: false,
        }
    }

    fn scan(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.has_ended {
            let wanted = match self.body {
                0 => (BLOCK - self.header.len()) as u64,
                body => body,
            };
            let (part, rest) = bytes.split_at(wanted.min(bytes.len() as u64) as usize);
            bytes = rest;
            if self.body == 0 {
                self.header.extend_from_slice(part);
                if self.header.len() == BLOCK {
                    self.read_header()?;
                }
            } else {
                self.body -= part.len() as u64;
                self.read_body(part)?;
            }
        }
        Ok(())
    }

    fn read_header(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.header);
        if block.iter().all(|byte| *byte == 0) {
            self.has_ended = true;
            return Ok(());
        }
        let header = Header::from_byte_slice(&block);
        let size = header.entry_size().unwrap_or(0);
        let kind = header.entry_type();
        let is_extended = matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader);
        if (is_extended || matches!(kind, EntryType::GNULongName | EntryType::GNULongLink))
            && size > LONGEST_HEADER
        {
            return Err(refused(&format!("a name or an extended header has {size} bytes")));
        }
        // Of a file that is no archive, the bytes at this place mean nothing.
        if size > CONTENT && block[257..262] == *b"ustar" {
            return Err(refused(&format!("a file has {size} bytes")));
        }
        self.entries += 1;
        if self.entries > ENTRIES {
            return Err(refused(&format!("it has more than {ENTRIES} entries")));
        }
        self.extended = is_extended.then(Vec::new);
        self.body = size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX);
        Ok(())
    }

    /// The size of a file could also be in extended headers; then this reader and the tar crate would see other
    /// headers. Files of a kernel are too small for that.
    fn read_body(&mut self, part: &[u8]) -> io::Result<()> {
        let Some(extended) = &mut self.extended else { return Ok(()) };
        extended.extend_from_slice(part);
        if self.body == 0 && extended.windows(6).any(|window| window == b" size=") {
            return Err(refused("an extended header changes the size of a file"));
        }
        Ok(())
    }
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl<R: Read> Read for LimitedTar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.total += count as u64;
        if self.total > CONTENT {
            return Err(refused(&format!("it has more than {} GiB", CONTENT >> 30)));
        }
        self.scan(&buffer[..count])?;
        Ok(count)
    }
}
