//! SHA-256 of bytes, streams and files, as 64 lower-case hexadecimal digits.

use std::io::{self, Read, Write};
use std::path::Path;

use fs_err as fs;
use sha2::{Digest, Sha256};

use super::stop::{Interrupted, Stop};

/// Lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the SHA-256 in `text`, in lower case; `None` unless `text` is 64 hexadecimal digits.
pub(crate) fn parse_sha256(text: &str) -> Option<String> {
    let valid = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| text.to_ascii_lowercase())
}

/// SHA-256 of the file `path`.
///
/// # Errors
/// The file cannot be read, or `stop` was set meanwhile.
pub fn hash_file<E>(path: &Path, stop: &Stop) -> Result<String, E>
where
    E: From<io::Error> + From<Interrupted>,
{
    let mut file = Hashing::new(fs::File::open(path)?);
    copy::<E>(&mut file, &mut io::sink(), stop, |_| {})?;
    Ok(file.finish().sha256)
}

/// Copies `from` to `to` until its end and returns the number of bytes; `progress` gets the bytes so far.
///
/// # Errors
/// Reading or writing fails, or `stop` was set meanwhile.
pub fn copy<E>(
    from: &mut impl Read,
    to: &mut impl Write,
    stop: &Stop,
    mut progress: impl FnMut(u64),
) -> Result<u64, E>
where
    E: From<io::Error> + From<Interrupted>,
{
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        stop.check()?;
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        to.write_all(&buffer[..count])?;
        done += count as u64;
        progress(done);
    }
}

/// A reader or writer that hashes the bytes that pass through it.
#[derive(Debug)]
pub struct Hashing<T> {
    inner: T,
    sha256: Sha256,
    bytes: u64,
}

/// The result of [`Hashing::finish`].
#[derive(Debug)]
pub struct Hashed<T> {
    /// The reader or writer.
    pub inner: T,
    /// SHA-256 of the bytes that passed through, as hexadecimal digits.
    pub sha256: String,
    /// Number of bytes that passed through.
    pub bytes: u64,
}

impl<T> Hashing<T> {
    /// Hashes all bytes that are read from or written to `inner` from now on.
    pub fn new(inner: T) -> Hashing<T> {
        Hashing { inner, sha256: Sha256::new(), bytes: 0 }
    }

    /// Number of bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the hash.
    pub fn finish(self) -> Hashed<T> {
        Hashed { inner: self.inner, sha256: hex(&self.sha256.finalize()), bytes: self.bytes }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.pass(&buffer[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.pass(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty string and of `abc`: FIPS 180-4, example values.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error("{0}")]
        Io(#[from] io::Error),
        #[error(transparent)]
        Interrupted(#[from] Interrupted),
    }

    #[test]
    fn bytes_files_and_streams_have_the_same_hash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!((sha256("").as_str(), sha256("abc").as_str()), (EMPTY, ABC));
        assert_eq!(hash_file::<Error>(&path, &Stop::default()).unwrap(), ABC);
        let mut written = Hashing::new(Vec::new());
        written.write_all(b"abc").unwrap();
        let Hashed { inner, sha256, bytes } = written.finish();
        assert_eq!((inner.as_slice(), sha256.as_str(), bytes), (&b"abc"[..], ABC, 3));
    }

    #[test]
    fn a_checksum_is_64_hexadecimal_digits() {
        assert_eq!(parse_sha256(&ABC.to_uppercase()).as_deref(), Some(ABC));
        for text in ["", &ABC[1..], &format!("{ABC}0"), &ABC.replace('b', "g")] {
            assert_eq!(parse_sha256(text), None, "{text}");
        }
    }

    #[test]
    fn a_set_stop_flag_ends_a_copy() {
        let stop = Stop::default();
        stop.set();
        let copied = copy::<Error>(&mut &b"abc"[..], &mut Vec::new(), &stop, |_| {});
        assert!(matches!(copied, Err(Error::Interrupted(_))));
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let error = hash_file::<Error>(Path::new("/no/such/file"), &Stop::default()).unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
