//! A source archive: its checksum and its uncompressed content.

use std::io::{self, Read};
use std::path::Path;

use fs_err::File;

use super::error::Error;
use crate::base::archive::decompress::decompress;
use crate::base::archive::tar_limits::LimitedTar;
use crate::base::context::Context;
use crate::base::digest::{self, Hashing};
use crate::base::events::{Events, Stage, Unit};
use crate::base::stop::Stop;

/// SHA-256 of the file; progress is reported for `stage`.
pub(crate) fn hash(cx: &Context, stage: Stage, path: &Path) -> Result<String, Error> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let mut hashing = Hashing::new(io::sink());
    digest::copy::<Error>(&mut file, &mut hashing, &cx.stop, |done| {
        cx.events.progress(stage, done, Some(total), Unit::Bytes);
    })?;
    Ok(hashing.finish().sha256)
}

/// Opens the uncompressed content; progress through the file is reported for `stage`.
///
/// After a stop request the next read fails.
pub(crate) fn open(cx: &Context, stage: Stage, path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    let total = file.metadata()?.len();
    let packed = Reporting { file, done: 0, total, stage, events: cx.events.clone(), stop: cx.stop.clone() };
    // The content is not verified yet, and may be a small file that expands without end.
    Ok(Box::new(LimitedTar::new(decompress(packed)?)))
}

/// Reports how much of a file was read, and fails after a stop request.
struct Reporting {
    file: File,
    done: u64,
    total: u64,
    stage: Stage,
    events: Events,
    stop: Stop,
}

impl Read for Reporting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        self.events.progress(self.stage, self.done, Some(self.total), Unit::Bytes);
        Ok(count)
    }
}
