//! Downloads that go on where the last run, or the last broken connection, left them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::http::{ATTEMPTS, Failure, Head, Http};
use super::stored::{self, Stored};
use crate::base::cache_key::hex;
use crate::base::context::Context;
use crate::base::error::full_disk;
use crate::base::events::{Stage, Unit};
use crate::base::store::{Entry, Room};

/// What a list says of a file before it is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub sha256: Option<&'a str>,
    pub bytes: Option<u64>,
}

/// Fetches `url` and lands it in the store; `record` is what the store will say of it.
pub fn download(
    cx: &Context,
    http: &Http,
    url: &str,
    expected: Expected,
    record: &impl Serialize,
) -> Result<(Entry, String), Error> {
    let key = hex(&Sha256::digest(url));
    let lease = cx.lease(Stage::Fetch, Room::Partial, &key)?;
    let partial = Partial::in_folder(lease.path());
    let resumed = match transfer(cx, http, url, expected, &partial) {
        // Nothing to go on with, or what a full disk had better be rid of.
        Err(error) if partial.length() == 0 || full_disk(&error) => {
            drop(lease);
            cx.store.remove(Room::Partial, &key, &cx.stop)?;
            return Err(error);
        }
        other => other?,
    };
    let mut sha256 = hash(cx, &partial.data)?;
    if resumed && expected.sha256.is_some_and(|expected| expected != sha256) {
        // The two parts may be of two files: the address could have got a new one in between.
        cx.events.note(Stage::Fetch, format!("{url} does not fit its first part; starting over"));
        partial.reset().map_err(|source| Error::Write { path: partial.data.clone(), source })?;
        transfer(cx, http, url, expected, &partial)?;
        sha256 = hash(cx, &partial.data)?;
    }
    let wrong = expected.sha256.filter(|expected| *expected != sha256);
    let landed = match wrong {
        None => stored::land(cx, &partial.data, &sha256, record),
        Some(expected) => {
            Err(Error::Altered { url: url.to_owned(), expected: expected.to_owned(), actual: sha256.clone() })
        }
    };
    drop(lease);
    cx.store.remove(Room::Partial, &key, &cx.stop)?;
    Ok((landed?, sha256))
}

/// SHA-256 of a file, in hexadecimal digits.
fn hash(cx: &Context, path: &Path) -> Result<String, Error> {
    let read = |source| Error::Archive { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        match file.read(&mut buffer).map_err(read)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Copies a file of the user's into the store.
pub fn take_in(
    cx: &Context,
    path: &Path,
    expected: Option<&str>,
    record: &Stored,
) -> Result<(Entry, String), Error> {
    let read = |source| Error::Archive { path: path.to_owned(), source };
    let sha256 = hash(cx, path)?;
    if let Some(expected) = expected.filter(|expected| *expected != sha256) {
        let url = path.display().to_string();
        return Err(Error::Altered { url, expected: expected.to_owned(), actual: sha256 });
    }
    if let Some(entry) = stored::find(cx, &sha256)? {
        return Ok((entry, sha256));
    }
    let room = cx.store.root().join(Room::Partial.dir_name());
    let mut copy = tempfile::Builder::new()
        .prefix(".take-in-")
        .tempfile_in(&room)
        .map_err(|source| Error::Write { path: room.clone(), source })?;
    let write = |source| Error::Write { path: room.clone(), source };
    let mut source = File::open(path).map_err(read)?;
    let total = source.metadata().map_err(read)?.len();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        if cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        let count = source.read(&mut buffer).map_err(read)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        copy.write_all(&buffer[..count]).map_err(write)?;
        done += count as u64;
        cx.events.progress(Stage::Fetch, done, Some(total), Unit::Bytes);
    }
    // The copy is what is kept: the user's file may have changed since it was hashed.
    let sha256 = hex(&hasher.finalize());
    let entry = stored::land(cx, copy.path(), &sha256, record)?;
    Ok((entry, sha256))
}

/// A download that is not complete: the bytes so far and what names their version.
struct Partial {
    data: PathBuf,
    version: PathBuf,
}

impl Partial {
    fn in_folder(folder: &Path) -> Partial {
        Partial { data: folder.join("data"), version: folder.join("version") }
    }

    fn length(&self) -> u64 {
        self.data.metadata().map_or(0, |meta| meta.len())
    }

    /// A strong ETag, else the time of the last change; both can stand in `If-Range`.
    fn version(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&std::fs::read_to_string(&self.version).ok()?).ok()
    }

    fn reset(&self) -> io::Result<()> {
        for path in [&self.data, &self.version] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn start(&self, head: &Head) -> io::Result<File> {
        self.reset()?;
        let etag = head.header(&ETAG).filter(|tag| !tag.starts_with("W/"));
        if let Some(version) = etag.or_else(|| head.header(&LAST_MODIFIED)) {
            std::fs::write(&self.version, version)?;
        }
        File::create(&self.data)
    }
}

/// Completes the partial file. Returns whether part of it was there before.
fn transfer(
    cx: &Context,
    http: &Http,
    url: &str,
    expected: Expected,
    partial: &Partial,
) -> Result<bool, Error> {
    let mut resumed = false;
    let mut idle = 0;
    loop {
        let before = partial.length();
        let failure = match attempt(cx, http, url, expected, partial, &mut resumed) {
            Ok(()) => return Ok(resumed),
            Err(Stopped::Network(failure)) => failure,
            Err(Stopped::Fatal(error)) => return Err(error),
        };
        // A connection that breaks again and again but moves on will get there.
        idle = if partial.length() > before { 1 } else { idle + 1 };
        if !Http::is_transient(&failure) || idle >= ATTEMPTS {
            return Err(truncated(url, expected, partial).unwrap_or(Error::download(url, failure)));
        }
        cx.events.note(Stage::Fetch, format!("{failure}; trying again"));
        http.pause(idle, &failure).map_err(|failure| Error::download(url, failure))?;
    }
}

fn truncated(url: &str, expected: Expected, partial: &Partial) -> Option<Error> {
    let (actual, expected) = (partial.length(), expected.bytes?);
    let short = 0 < actual && actual < expected;
    short.then(|| Error::Truncated { url: url.to_owned(), expected, actual })
}

enum Stopped {
    Network(Failure),
    Fatal(Error),
}

fn attempt(
    cx: &Context,
    http: &Http,
    url: &str,
    expected: Expected,
    partial: &Partial,
    resumed: &mut bool,
) -> Result<(), Stopped> {
    let write = |source| Stopped::Fatal(Error::Write { path: partial.data.clone(), source });
    let have = partial.length();
    if have > 0 && expected.bytes == Some(have) {
        *resumed = true;
        return Ok(());
    }
    let headers = ask_for_rest(have, partial, expected);
    let (head, mut body) = http.open(url, headers).map_err(Stopped::Network)?;
    let continues = head.status == StatusCode::PARTIAL_CONTENT && starts_at(&head, have);
    if head.status == StatusCode::RANGE_NOT_SATISFIABLE
        || head.status == StatusCode::PARTIAL_CONTENT && !continues
    {
        partial.reset().map_err(write)?;
        let reason = "the server has another range than the one asked for".to_owned();
        return Err(Stopped::Network(Failure::Broken { url: url.to_owned(), reason }));
    }
    let (mut file, mut done) = if continues {
        *resumed = true;
        (OpenOptions::new().append(true).open(&partial.data).map_err(write)?, have)
    } else {
        *resumed = false;
        (partial.start(&head).map_err(write)?, 0)
    };
    let total = expected.bytes.or(head.length.map(|length| done + length));
    while let Some(piece) = body.next().map_err(Stopped::Network)? {
        file.write_all(&piece).map_err(write)?;
        done += piece.len() as u64;
        cx.events.progress(Stage::Fetch, done, total, Unit::Bytes);
        if let Some(limit) = expected.bytes.filter(|limit| done > *limit) {
            // More than the signed list allows: whatever this is, it is not that file.
            partial.reset().map_err(write)?;
            return Err(Stopped::Network(Failure::TooLarge { url: url.to_owned(), limit }));
        }
    }
    if total.is_some_and(|total| done < total) {
        let reason = format!("it ended after {done} bytes");
        return Err(Stopped::Network(Failure::Broken { url: url.to_owned(), reason }));
    }
    Ok(())
}

fn ask_for_rest(have: u64, partial: &Partial, expected: Expected) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // What is hashed is the file, not some encoding of it.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let version = partial.version();
    // Without a version to name, only a checksum can tell that two parts do not fit.
    if have > 0 && (version.is_some() || expected.sha256.is_some()) {
        headers.insert(RANGE, format!("bytes={have}-").parse().expect("a valid header"));
        version.map(|version| headers.insert(IF_RANGE, version));
    }
    headers
}

fn starts_at(head: &Head, offset: u64) -> bool {
    let range = head.header(&CONTENT_RANGE).unwrap_or_default();
    range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok()) == Some(offset)
}
