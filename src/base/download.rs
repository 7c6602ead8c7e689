//! Downloads into the store. A download resumes where an earlier run, or a broken connection, left it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::{self as fs, File, OpenOptions};
use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use serde::Serialize;

use super::context::Context;
use super::digest::{self, Hashing, hash_file, sha256};
use super::error::{Explain, full_disk};
use super::events::{Stage, Unit};
use super::http::{self, ATTEMPTS, Head, Http, Pace};
use super::stop::Interrupted;
use super::store::{self, Bucket, COPY, Entry};
use super::{files, store_archives};

/// Why a file did not reach the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is complete and has a different checksum.
    #[error("{url} was altered: its SHA-256 is {actual}, not {expected}")]
    Altered {
        /// Address or path of the file.
        url: String,
        /// SHA-256 as 64 hexadecimal digits.
        expected: String,
        /// SHA-256 as 64 hexadecimal digits.
        actual: String,
    },
    /// The server has only the beginning of the file.
    #[error("{url} is truncated: {actual} of {expected} bytes arrived")]
    Truncated {
        /// Address of the file.
        url: String,
        /// Bytes of the whole file.
        expected: u64,
        /// Bytes that arrived.
        actual: u64,
    },
    /// The file could not be downloaded.
    #[error("cannot download {url}")]
    Http {
        /// Address of the file.
        url: String,
        /// The last failure.
        source: http::Error,
    },
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[from] store::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Store(source) => Some(source),
            Error::Interrupted(source) => Some(source),
            _ => None,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Altered { .. } | Error::Truncated { .. } => {
                Some("retry; if it persists, use another mirror".to_owned())
            }
            Error::Http { .. } => Some(
                "run the same command again; if that does not help, check the network and the proxy, or use another --source \
                 or --debian-mirror"
                    .to_owned(),
            ),
            _ => self.inner()?.next_step(),
        }
    }
}

impl Error {
    fn http(url: &str, error: http::Error) -> Error {
        match error {
            http::Error::Interrupted(interrupted) => Error::Interrupted(interrupted),
            source => Error::Http { url: url.to_owned(), source },
        }
    }
}

/// Limit in bytes of a file without a stated size. The largest archive of a kernel is a quarter of it.
const UNKNOWN_SIZE: u64 = 1 << 30;

/// The checksum and size that a list states for a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// SHA-256 as 64 lower-case hexadecimal digits.
    pub(crate) sha256: Option<&'a str>,
    /// Size in bytes.
    pub(crate) bytes: Option<u64>,
}

/// Downloads `url` into the store, with `record` as its `meta.json`. Returns the entry and its SHA-256.
pub(crate) fn download(
    cx: &Context,
    http: &Http,
    url: &str,
    expected: Expected,
    record: &impl Serialize,
) -> Result<(Entry, String), Error> {
    let key = sha256(url);
    let lease = cx.lease(Stage::Fetch, Bucket::Partial, &key)?;
    let partial = Partial::in_directory(lease.path());
    let resumed = match transfer(cx, http, url, expected, &partial) {
        // There is nothing to resume, or the disk is full and needs the space.
        Err(error) if partial.length() == 0 || full_disk(&error) => {
            drop(lease);
            cx.store.remove(Bucket::Partial, &key, &cx.stop)?;
            return Err(error);
        }
        other => other?,
    };
    let mut actual = hash_file::<Error>(&partial.data, &cx.stop)?;
    if resumed && expected.sha256.is_some_and(|expected| expected != actual) {
        // The file at the address may have changed between the two parts.
        cx.events.note(Stage::Fetch, format!("{url} changed since its first part arrived; starting over"));
        partial.reset()?;
        transfer(cx, http, url, expected, &partial)?;
        actual = hash_file::<Error>(&partial.data, &cx.stop)?;
    }
    let stored = match expected.sha256.filter(|expected| *expected != actual) {
        None => store_archives::insert(cx, &partial.data, &actual, record),
        Some(expected) => {
            let (url, expected) = (url.to_owned(), expected.to_owned());
            Err(Error::Altered { url, expected, actual: actual.clone() })
        }
    };
    drop(lease);
    cx.store.remove(Bucket::Partial, &key, &cx.stop)?;
    Ok((stored?, actual))
}

/// Copies a local file into the store, with `record` as its `meta.json`. Returns the entry and its SHA-256.
pub(crate) fn copy_in(
    cx: &Context,
    path: &Path,
    expected: Option<&str>,
    record: &impl Serialize,
) -> Result<(Entry, String), Error> {
    let actual = hash_file::<Error>(path, &cx.stop)?;
    if let Some(expected) = expected.filter(|expected| *expected != actual) {
        let url = path.display().to_string();
        return Err(Error::Altered { url, expected: expected.to_owned(), actual });
    }
    if let Some(entry) = store_archives::find(cx, &actual)? {
        return Ok((entry, actual));
    }
    let directory = cx.store.root().join(Bucket::Partial.dir_name());
    let temporary = tempfile::Builder::new().prefix(COPY).tempfile_in(&directory);
    let temporary = temporary.map_err(|error| files::at("create a file in", &directory, error))?;
    // Unlocked, it is the leftover of a killed run.
    temporary.as_file().lock().map_err(|error| files::at("lock", temporary.path(), error))?;
    let mut source = File::open(path)?;
    let total = source.metadata()?.len();
    let mut copy = Hashing::new(File::from_parts(temporary.reopen()?, temporary.path()));
    digest::copy::<Error>(&mut source, &mut copy, &cx.stop, |done| {
        cx.events.progress(Stage::Fetch, done, Some(total), Unit::Bytes);
    })?;
    // The file may have changed since it was hashed: the store is keyed by its own copy.
    let actual = copy.finish().sha256;
    let entry = store_archives::insert::<Error>(cx, temporary.path(), &actual, record)?;
    Ok((entry, actual))
}

/// An incomplete download: the bytes so far and the version of the file that they belong to.
struct Partial {
    data: PathBuf,
    version: PathBuf,
}

impl Partial {
    fn in_directory(directory: &Path) -> Partial {
        Partial { data: directory.join("data"), version: directory.join("version") }
    }

    fn length(&self) -> u64 {
        self.data.metadata().map_or(0, |meta| meta.len())
    }

    /// A strong `ETag`, else the `Last-Modified` time; `If-Range` accepts both.
    fn version(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&fs::read_to_string(&self.version).ok()?).ok()
    }

    fn reset(&self) -> io::Result<()> {
        files::remove_if_exists(&self.data)?;
        files::remove_if_exists(&self.version)?;
        Ok(())
    }

    fn start(&self, head: &Head) -> io::Result<File> {
        self.reset()?;
        let etag = head.header(&ETAG).filter(|tag| !tag.starts_with("W/"));
        if let Some(version) = etag.or_else(|| head.header(&LAST_MODIFIED)) {
            fs::write(&self.version, version)?;
        }
        File::create(&self.data)
    }
}

/// Completes the partial file. Returns whether it resumed the part that an earlier attempt left.
fn transfer(
    cx: &Context,
    http: &Http,
    url: &str,
    expected: Expected,
    partial: &Partial,
) -> Result<bool, Error> {
    let mut resumed = false;
    let mut idle = 0;
    let mut most = partial.length();
    // Each connection has a pace of its own, but one that ends early is not measured.
    let mut pace = Pace::default();
    loop {
        let error = match attempt(cx, http, url, expected, partial, &mut resumed) {
            Ok(()) => return Ok(resumed),
            Err(Failure::Network(error)) => error,
            Err(Failure::Disk(error)) => return Err(error.into()),
        };
        // A connection that breaks often but advances each time completes the download. A server that starts over and
        // over again does not advance.
        let more = partial.length().saturating_sub(most);
        idle = if more > 0 { 1 } else { idle + 1 };
        most += more;
        cx.stop.check()?;
        if more > 0 && pace.is_too_slow(more as usize) {
            return Err(Error::http(url, http::Error::TooSlow { url: url.to_owned() }));
        }
        if !error.is_transient() || idle >= ATTEMPTS {
            return Err(truncated(url, expected, most).unwrap_or_else(|| Error::http(url, error)));
        }
        cx.events.note(Stage::Fetch, format!("{error}; retrying"));
        http.pause(idle, &error)?;
    }
}

fn truncated(url: &str, expected: Expected, actual: u64) -> Option<Error> {
    let expected = expected.bytes?;
    let short = 0 < actual && actual < expected;
    short.then(|| Error::Truncated { url: url.to_owned(), expected, actual })
}

/// Why an attempt ended: only network failures are retried.
enum Failure {
    Network(http::Error),
    Disk(io::Error),
}

impl From<http::Error> for Failure {
    fn from(error: http::Error) -> Failure {
        Failure::Network(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Disk(error)
    }
}

fn attempt(
    cx: &Context,
    http: &Http,
    url: &str,
    expected: Expected,
    partial: &Partial,
    resumed: &mut bool,
) -> Result<(), Failure> {
    let length = partial.length();
    if length > 0 && expected.bytes == Some(length) {
        *resumed = true;
        return Ok(());
    }
    let (head, mut body) = http.open(url, range_from(length, partial, expected))?;
    let continues = head.status == StatusCode::PARTIAL_CONTENT && starts_at(&head, length);
    if head.status == StatusCode::RANGE_NOT_SATISFIABLE
        || head.status == StatusCode::PARTIAL_CONTENT && !continues
    {
        partial.reset()?;
        let reason = "the server sent a different range than requested".to_owned();
        return Err(http::Error::Broken { url: url.to_owned(), reason }.into());
    }
    let (mut file, mut done) = if continues {
        *resumed = true;
        (OpenOptions::new().append(true).open(&partial.data)?, length)
    } else {
        *resumed = false;
        (partial.start(&head)?, 0)
    };
    let total = expected.bytes.or(head.length.map(|length| done + length));
    while let Some(chunk) = body.next_chunk()? {
        file.write_all(&chunk)?;
        done += chunk.len() as u64;
        cx.events.progress(Stage::Fetch, done, total, Unit::Bytes);
        let limit = expected.bytes.unwrap_or(UNKNOWN_SIZE);
        if done > limit {
            // The signed list names a smaller file: this is another one.
            partial.reset()?;
            return Err(http::Error::TooLarge { url: url.to_owned(), limit }.into());
        }
    }
    if total.is_some_and(|total| done < total) {
        let reason = format!("it ended after {done} bytes");
        return Err(http::Error::Broken { url: url.to_owned(), reason }.into());
    }
    Ok(())
}

/// Headers that request the rest of a file of which `length` bytes arrived.
fn range_from(length: u64, partial: &Partial, expected: Expected) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // The checksum covers the file, not an encoding of it.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let version = partial.version();
    // Without a version, only a checksum can show that two parts do not belong together.
    if length > 0 && (version.is_some() || expected.sha256.is_some()) {
        headers.insert(RANGE, format!("bytes={length}-").parse().expect("digits are valid in a header"));
        version.map(|version| headers.insert(IF_RANGE, version));
    }
    headers
}

fn starts_at(head: &Head, offset: u64) -> bool {
    let range = head.header(&CONTENT_RANGE).unwrap_or_default();
    range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok()) == Some(offset)
}
