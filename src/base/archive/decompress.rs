//! Compressed streams, told by their first bytes and not by their name.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

/// The magic numbers fit in this many bytes.
const MAGIC: usize = 6;
/// Threads of the xz decoder; only archives that were written in blocks can use more than one.
const THREADS: u32 = 4;
/// What the decoder may use before it goes back to one thread.
const MEMORY_FOR_THREADS: u64 = 128 << 20;

impl Compression {
    pub fn of(start: &[u8]) -> Compression {
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

    /// The plain content. Concatenated streams are read to their end, as the tools do.
    ///
    /// Each thread beyond the first one holds whole blocks of an `.xz` file in memory.
    pub fn reader<R: BufRead + Send + 'static>(
        self,
        packed: R,
        threads: u32,
    ) -> io::Result<Box<dyn Read + Send>> {
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

/// All streams of an `.xz` file. liblzma's threaded decoder ends after the first one; taking
/// that for the end would let a file mean one thing here and another thing to the xz tool.
struct XzStreams<R: BufRead> {
    /// `None` once the file has ended.
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
            let mut packed = self.decoder.take().expect("looked at above").into_inner();
            if skip_zeros(&mut packed)? {
                self.decoder = Some(xz_decoder(packed, self.threads)?);
            }
        }
        Ok(0)
    }
}

/// Skips stream padding (section 2.2 of the format). Returns whether something follows it.
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
        .memlimit_stop(u64::MAX)
        .decoder()?;
    Ok(XzDecoder::new_stream(packed, stream))
}

/// Opens a stream of whatever compression its first bytes show.
pub fn decompress(packed: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
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
    fn each_compression_is_known_by_its_first_bytes() {
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
    fn all_streams_of_an_xz_file_are_read_and_nothing_else_may_follow() {
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
