//! The compression of both formats' archives. None of the outputs depends on the number of threads.

use std::io::{self, Write};

use flate2::{Compression as GzipLevel, GzBuilder};
use gzp::deflate::Gzip;
use gzp::par::compress::{ParCompress, ParCompressBuilder};
use gzp::{GzpError, ZWriter};
use liblzma::stream::{Check, Filters, LzmaOptions, MtStreamBuilder};
use liblzma::write::XzEncoder;

use crate::base::options::Compression;

/// Kernel modules come out 13 % larger than with dpkg's and rpmbuild's level 6, after a sixth
/// of its time: a cloud kernel takes a minute instead of the time of its build.
pub(super) const XZ_LEVEL: u32 = 2;
const XZ_DICTIONARY: u32 = 4 << 20;
/// A thread of xz takes up to 80 MiB (a multiple of the dictionary and three times the block), and
/// the tool is to stay below 300 MiB.
const THREADS: usize = 3;

/// A size between gzip's and xz's, at a tenth of xz's time.
pub(super) const ZSTD_LEVEL: i32 = 9;

pub(super) const GZIP_LEVEL: u32 = 6;

/// Bytes that one thread compresses at a time. Fixed, because the output depends on them.
fn block(compression: Compression) -> u32 {
    match compression {
        Compression::Xz => 12 << 20,
        Compression::Zstd => 8 << 20,
        Compression::Gzip => 1 << 20,
    }
}

/// What an archive's name ends with.
pub(super) fn suffix(compression: Compression) -> &'static str {
    match compression {
        Compression::Xz => "xz",
        Compression::Zstd => "zst",
        Compression::Gzip => "gz",
    }
}

/// A compressor into `W`; [`Encoder::finish`] must be called.
pub(super) enum Encoder<W: Write + Send + 'static> {
    Xz(XzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
    Gzip(ParCompress<'static, Gzip, W>),
}

impl<W: Write + Send + 'static> Encoder<W> {
    /// Compresses with up to `jobs` threads.
    pub fn new(compression: Compression, to: W, jobs: usize) -> io::Result<Encoder<W>> {
        Encoder::in_blocks(compression, to, jobs.clamp(1, THREADS), block(compression))
    }

    fn in_blocks(compression: Compression, to: W, threads: usize, block: u32) -> io::Result<Encoder<W>> {
        match compression {
            Compression::Xz => xz(to, threads, block).map(Encoder::Xz),
            Compression::Zstd => zstd(to, threads, block).map(Encoder::Zstd),
            Compression::Gzip => gzip(to, threads, block).map(Encoder::Gzip),
        }
    }

    pub fn finish(self) -> io::Result<W> {
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

fn xz<W: Write>(to: W, threads: usize, block: u32) -> io::Result<XzEncoder<W>> {
    let mut options = LzmaOptions::new_preset(XZ_LEVEL)?;
    options.dict_size(XZ_DICTIONARY);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = MtStreamBuilder::new()
        .threads(threads as u32)
        .block_size(block.into())
        .filters(filters)
        // dpkg and rpm have always used it; CRC64 is what `xz` itself writes.
        .check(Check::Crc64)
        .encoder()?;
    Ok(XzEncoder::new_stream(to, stream))
}

fn zstd<W: Write>(to: W, threads: usize, block: u32) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(to, ZSTD_LEVEL)?;
    // One worker is not the same as none: without any, the output is another one.
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

/// What `gzip -9n` makes of a file that goes compressed into a package: no name and no time in it.
pub(super) fn gzip_of_one_file(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), GzipLevel::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
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
    fn the_number_of_threads_does_not_change_the_output_which_holds_the_input() {
        // zstd takes no smaller ones.
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
}
