//! Compression of the archives in both formats. The output never depends on the number of threads.

use std::io::{self, Write};

use flate2::{Compression as GzipLevel, GzBuilder};
use gzp::deflate::Gzip;
use gzp::par::compress::{ParCompress, ParCompressBuilder};
use gzp::{GzpError, ZWriter};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, MtStreamBuilder, Status, Stream};

use crate::base::options::Compression;

/// Kernel modules become 13 % larger than with level 6 of dpkg and rpmbuild, in a sixth of the time:
/// packaging a cloud kernel takes a minute instead of as long as its build.
pub(super) const XZ_LEVEL: u32 = 2;
const XZ_DICTIONARY: u32 = 4 << 20;
/// An xz thread needs up to 80 MiB (a multiple of the dictionary and three times the block); the tool must
/// stay below 300 MiB.
const THREADS: usize = 3;

/// Output between gzip's and xz's in size, in a tenth of xz's time.
pub(super) const ZSTD_LEVEL: i32 = 9;

pub(super) const GZIP_LEVEL: u32 = 6;

/// Bytes in a block, the unit of work of one thread. Fixed, because the output depends on it.
fn block(compression: Compression) -> u32 {
    match compression {
        Compression::Xz => 12 << 20,
        Compression::Zstd => 8 << 20,
        Compression::Gzip => 1 << 20,
    }
}

/// File name suffix of a compressed archive.
pub(super) fn suffix(compression: Compression) -> &'static str {
    match compression {
        Compression::Xz => "xz",
        Compression::Zstd => "zst",
        Compression::Gzip => "gz",
    }
}

/// Compresses into `W`; call [`Encoder::finish`] at the end.
pub(super) enum Encoder<W: Write + Send + 'static> {
    Xz(Xz<W>),
    Zstd(zstd::Encoder<'static, W>),
    Gzip(ParCompress<'static, Gzip, W>),
}

impl<W: Write + Send + 'static> Encoder<W> {
    /// Compresses with up to `jobs` threads.
    pub(super) fn new(compression: Compression, to: W, jobs: usize) -> io::Result<Encoder<W>> {
        Encoder::in_blocks(compression, to, jobs.clamp(1, THREADS), block(compression))
    }

    fn in_blocks(compression: Compression, to: W, threads: usize, block: u32) -> io::Result<Encoder<W>> {
        match compression {
            Compression::Xz => xz(to, threads, block).map(Encoder::Xz),
            Compression::Zstd => zstd(to, threads, block).map(Encoder::Zstd),
            Compression::Gzip => gzip(to, threads, block).map(Encoder::Gzip),
        }
    }

    /// Ends the compressed stream and returns the writer.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Encoder::Xz(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::Gzip(mut encoder) => encoder.finish().map_err(gzip_error),
        }
    }
}

impl<W: Write + Send + 'static> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::Xz(encoder) => encoder.write(data),
            Encoder::Zstd(encoder) => encoder.write(data),
            Encoder::Gzip(encoder) => encoder.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::Xz(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
        }
    }
}

/// An xz encoder. The one of liblzma compresses what it holds when it is dropped, which takes half a minute after an
/// interruption.
pub(super) struct Xz<W> {
    stream: Stream,
    to: W,
    output: Vec<u8>,
}

impl<W: Write> Xz<W> {
    fn process(&mut self, data: &[u8], action: Action) -> io::Result<Status> {
        self.output.clear();
        let status = self.stream.process_vec(data, &mut self.output, action)?;
        self.to.write_all(&self.output)?;
        Ok(status)
    }

    fn finish(mut self) -> io::Result<W> {
        while self.process(&[], Action::Finish)? != Status::StreamEnd {}
        Ok(self.to)
    }
}

impl<W: Write> Write for Xz<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let before = self.stream.total_in();
        loop {
            self.process(data, Action::Run)?;
            let consumed = (self.stream.total_in() - before) as usize;
            if consumed > 0 || data.is_empty() {
                return Ok(consumed);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn xz<W: Write>(to: W, threads: usize, block: u32) -> io::Result<Xz<W>> {
    let mut options = LzmaOptions::new_preset(XZ_LEVEL)?;
    options.dict_size(XZ_DICTIONARY);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = MtStreamBuilder::new()
        .threads(threads as u32)
        .block_size(block.into())
        .filters(filters)
        // The default of xz.
        .check(Check::Crc64)
        .encoder()?;
    Ok(Xz { stream, to, output: Vec::with_capacity(1 << 16) })
}

fn zstd<W: Write>(to: W, threads: usize, block: u32) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(to, ZSTD_LEVEL)?;
    // Zero workers and one worker produce different output.
    encoder.multithread(threads as u32)?;
    encoder.set_parameter(zstd::zstd_safe::CParameter::JobSize(block))?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn gzip<W: Write + Send + 'static>(
    to: W,
    threads: usize,
    block: u32,
) -> io::Result<ParCompress<'static, Gzip, W>> {
    let builder = ParCompressBuilder::<Gzip>::new()
        .num_threads(threads)
        .and_then(|builder| builder.buffer_size(block as usize))
        .map_err(gzip_error)?;
    Ok(builder.compression_level(GzipLevel::new(GZIP_LEVEL)).from_writer(to))
}

fn gzip_error(error: GzpError) -> io::Error {
    match error {
        GzpError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// Compresses one file as `gzip -9n` does, without a name and a time.
pub(super) fn gzip_of_one_file(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), GzipLevel::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to a Vec cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::archive::decompress::decompress;
    use std::io::{Cursor, Read};

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    #[test]
    fn the_output_is_the_same_for_any_number_of_threads_and_decompresses_to_the_input() {
        // zstd's minimum.
        const BLOCK: u32 = 512 << 10;
        let input = noise(2 * BLOCK as usize + 12_345);
        for compression in [Compression::Xz, Compression::Zstd, Compression::Gzip] {
            let compressed = |jobs| {
                let mut encoder = Encoder::in_blocks(compression, Vec::new(), jobs, BLOCK).unwrap();
                encoder.write_all(&input).unwrap();
                encoder.finish().unwrap()
            };
            let one = compressed(1);
            assert!(one.len() < input.len(), "{compression:?}");
            assert!(one == compressed(2) && one == compressed(8), "{compression:?}");
            let mut plain = Vec::new();
            decompress(Cursor::new(one)).unwrap().read_to_end(&mut plain).unwrap();
            assert!(plain == input, "{compression:?}");
        }
    }

    #[test]
    fn an_abandoned_encoder_ends_at_once() {
        let noise = noise(26 << 20);
        for compression in [Compression::Xz, Compression::Zstd, Compression::Gzip] {
            let mut encoder = Encoder::new(compression, io::sink(), 3).unwrap();
            encoder.write_all(&noise).unwrap();
            let started = std::time::Instant::now();
            drop(encoder);
            // An encoder that finished its blocks took 20 s.
            assert!(started.elapsed().as_secs() < 8, "{compression:?}: {:?}", started.elapsed());
        }
    }
}
