//! Reads payload files in chunks, reports progress, and ends on a stop request.

use std::cell::Cell;
use std::io::{Read, Write};
use std::path::Path;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::error::Error;
use super::payload::{FileContent, Payload, PayloadFile};
use crate::base::digest::hex;
use crate::base::events::{Events, Stage, Unit};
use crate::base::stop::Stop;

/// Bytes in a chunk: few enough that a stop request takes effect at once even while xz compresses each chunk.
const CHUNK: usize = 256 << 10;

/// Reads all files of a run's packages and counts the bytes read from disk.
pub(super) struct PayloadReader<'a> {
    events: &'a Events,
    stop: &'a Stop,
    done: Cell<u64>,
    total: u64,
}

impl<'a> PayloadReader<'a> {
    /// Expects `total` bytes to be read from disk in all.
    pub(super) fn new(events: &'a Events, stop: &'a Stop, total: u64) -> PayloadReader<'a> {
        PayloadReader { events, stop, done: Cell::new(0), total }
    }

    /// Reads every file once for its size and checksums.
    pub(super) fn measure(&self, payload: &mut Payload) -> Result<(), Error> {
        for file in &mut payload.files {
            let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
            file.bytes = self.for_each_chunk(file, |chunk| {
                md5.update(chunk);
                sha256.update(chunk);
                Ok(())
            })?;
            file.md5 = hex(&md5.finalize());
            file.sha256 = hex(&sha256.finalize());
        }
        Ok(())
    }

    /// Writes the content of `file` to `out`, a part of the package `target`.
    ///
    /// # Errors
    /// [`Error::Changed`] if the size differs from the measured one: the archive's headers already announced
    /// that size.
    pub(super) fn copy(&self, file: &PayloadFile, out: &mut dyn Write, target: &Path) -> Result<(), Error> {
        let copied = self.for_each_chunk(file, |chunk| {
            out.write_all(chunk).map_err(|source| Error::Write { path: target.to_owned(), source })
        })?;
        if copied == file.bytes { Ok(()) } else { Err(Error::Changed { path: file.content.shown() }) }
    }

    /// Calls `consume` with each chunk of the content and returns the content's length.
    fn for_each_chunk(
        &self,
        file: &PayloadFile,
        mut consume: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut reader = file.content.open()?;
        let mut buffer = vec![0; CHUNK];
        let mut length = 0;
        loop {
            self.stop.check()?;
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(length),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            consume(&buffer[..count])?;
            length += count as u64;
            if let FileContent::Disk(_) = file.content {
                self.done.set(self.done.get() + count as u64);
            }
            self.events.progress(Stage::Package, self.done.get(), Some(self.total), Unit::Bytes);
        }
    }
}
