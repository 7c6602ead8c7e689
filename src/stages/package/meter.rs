//! Copies the payload, counting the bytes and looking out for a stop.

use std::cell::Cell;
use std::io::{Read, Write};
use std::path::Path;

use super::Error;
use super::payload::{Content, PayloadFile};
use crate::base::events::{Events, Stage, Unit};
use crate::base::stop::Stop;

/// Small enough that a stop is answered at once even while xz is busy with each piece.
const PIECE: usize = 256 << 10;

pub(super) struct Meter<'a> {
    events: &'a Events,
    stop: &'a Stop,
    done: Cell<u64>,
    total: u64,
}

impl<'a> Meter<'a> {
    pub fn new(events: &'a Events, stop: &'a Stop, total: u64) -> Meter<'a> {
        Meter { events, stop, done: Cell::new(0), total }
    }

    /// Writes the file's content to `out`, which is on its way to `target`.
    ///
    /// Exactly the measured number of bytes: an archive whose headers promise another size
    /// than what follows is broken from there on.
    pub fn copy(&self, file: &PayloadFile, out: &mut dyn Write, target: &Path) -> Result<(), Error> {
        let copied = self.each_piece(file, |piece| {
            out.write_all(piece).map_err(|source| Error::Write { path: target.to_owned(), source })
        })?;
        if copied == file.bytes { Ok(()) } else { Err(Error::Changed { path: file.content.shown() }) }
    }

    /// Hands the content to `take`, piece by piece. Returns its length.
    pub fn each_piece(
        &self,
        file: &PayloadFile,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let read_error = |source| Error::Read { path: file.content.shown(), source };
        let mut reader = file.content.open().map_err(read_error)?;
        let mut buffer = vec![0; PIECE];
        let mut length = 0;
        loop {
            if self.stop.is_set() {
                return Err(Error::Interrupted);
            }
            let read = match reader.read(&mut buffer) {
                Ok(0) => return Ok(length),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_error(error)),
            };
            take(&buffer[..read])?;
            length += read as u64;
            if let Content::Disk(_) = file.content {
                self.done.set(self.done.get() + read as u64);
            }
            self.events.progress(Stage::Package, self.done.get(), Some(self.total), Unit::Bytes);
        }
    }
}
