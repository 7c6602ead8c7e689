//! Compressed streams, recognised by their first bytes and not by their name.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;

/// The compression of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
    /// Recognised, not supported.
    Bzip2,
}

/// Bytes of the longest magic number.
const MAGIC: usize = 6;
/// Threads of the xz decoder; only archives with several blocks use more than one.
const THREADS: u32 = 4;
/// Memory in bytes above which the xz decoder uses only one thread.
const MEMORY_FOR_THREADS: u64 = 128 << 20;
/// Limit in bytes of the xz decoder's memory. `xz -9` needs 65 MiB, zstd refuses more than 128 MiB itself.
const MEMORY: u64 = 128 << 20;

impl Compression {
    /// The compression of a stream that begins with `start`.
    pub(crate) fn of(start: &[u8]) -> Compression {
        if start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Compression::Xz
        } else if start.starts_with(&[0x1f, 0x8b]) {
            Compression::Gzip
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Compression::Zstd
        } else if start.starts_with(b"BZh") {
            Compression::Bzip2
        } else {
            Compression::None
        }
    }

    /// A reader of the plain content. Concatenated streams are read to their end, as the command-line tools do.
    ///
    /// Each additional thread keeps whole blocks of an `.xz` file in memory.
    ///
    /// # Errors
    /// [`Compression::Bzip2`], or the decoder cannot start.
    pub(crate) fn reader<'a>(
        self,
        packed: impl BufRead + Send + 'a,
        threads: u32,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Compression::None => Box::new(packed),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
            Compression::Xz => Box::new(XzStreams { decoder: Some(xz_decoder(packed, threads)?), threads }),
            Compression::Bzip2 => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "bzip2 is not supported; xz, gzip and zstd are",
                ));
            }
        })
    }
}

/// All streams of an `.xz` file.
///
/// liblzma's threaded decoder ends after the first stream. Stopping there would drop content that the xz tool
/// returns.
struct XzStreams<R: BufRead> {
    /// `None` at the end of the file.
    decoder: Option<XzDecoder<R>>,
    threads: u32,
}

impl<R: BufRead> Read for XzStreams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut packed = self.decoder.take().expect("the loop has a decoder").into_inner();
            if skip_zeros(&mut packed)? {
                self.decoder = Some(xz_decoder(packed, self.threads)?);
            }
        }
        Ok(0)
    }
}

/// Skips stream padding (section 2.2 of the .xz file format). Returns whether another stream follows.
fn skip_zeros(packed: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = packed.fill_buf()?;
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let (ended, found) = (buffer.is_empty(), zeros < buffer.len());
        packed.consume(zeros);
        if ended || found {
            return Ok(found);
        }
    }
}

fn xz_decoder<R: BufRead>(packed: R, threads: u32) -> io::Result<XzDecoder<R>> {
    let stream = liblzma::stream::MtStreamBuilder::new()
        .threads(threads)
        .memlimit_threading(MEMORY_FOR_THREADS)
        .memlimit_stop(MEMORY)
        .decoder()?;
    Ok(XzDecoder::new_stream(packed, stream))
}

/// A reader of the plain content of `packed`, whatever its compression.
///
/// # Errors
/// The first bytes cannot be read, the compression is bzip2, or the decoder cannot start.
pub fn decompress<'a>(packed: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut packed = BufReader::with_capacity(1 << 18, packed);
    let mut start = Vec::with_capacity(MAGIC);
    packed.by_ref().take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::of(&start);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let packed = BufReader::with_capacity(1 << 18, io::Cursor::new(start).chain(packed));
    compression.reader(packed, threads.min(THREADS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn plain(packed: Vec<u8>) -> Vec<u8> {
        let mut content = Vec::new();
        decompress(io::Cursor::new(packed)).unwrap().read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn each_compression_is_recognised_by_its_first_bytes() {
        let content = b"content ".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&content).unwrap();
        for packed in [
            content.clone(),
            gzip.finish().unwrap(),
            xz.finish().unwrap(),
            zstd::encode_all(&content[..], 1).unwrap(),
        ] {
            assert_eq!(plain(packed), content);
        }
    }

    #[test]
    fn a_file_shorter_than_a_magic_number_is_plain() {
        assert_eq!(plain(b"ab".to_vec()), b"ab");
        assert_eq!(plain(Vec::new()), b"");
    }

    #[test]
    fn all_streams_of_an_xz_file_are_read_and_other_data_may_not_follow() {
        let packed = |content: &[u8]| liblzma::encode_all(content, 1).unwrap();
        let two = [packed(b"one "), vec![0; 4], packed(b"two")].concat();
        assert_eq!(plain(two), b"one two");
        let garbage = [packed(b"one "), b"garbage".to_vec()].concat();
        assert!(decompress(io::Cursor::new(garbage)).unwrap().read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_truncated_stream_is_an_error() {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&b"content ".repeat(1000)).unwrap();
        let packed = xz.finish().unwrap();
        let half = packed[..packed.len() / 2].to_vec();
        assert!(decompress(io::Cursor::new(half)).unwrap().read_to_end(&mut Vec::new()).is_err());
    }
}
