//! Archives in the store: their checksum, and the signatures over them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::Error;
use crate::base::archive::decompress::decompress;
use crate::base::cache_key::hex;
use crate::base::context::Context;
use crate::base::events::{Events, Stage, Unit};
use crate::base::openpgp::verify::{Certificates, SignatureError, Signer};
use crate::base::release::Release;
use crate::base::stop::Stop;
use crate::base::store::{Entry, Room};
use crate::stages::fetch::stored::{self, Stored};
use crate::stages::fetch::{Evidence, Origin};

/// What the archive is said to be.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub release: Release,
    pub origin: Origin,
    pub url: &'a str,
    pub accept_unverified: bool,
}

#[derive(Debug)]
pub struct Checked {
    pub entry: Entry,
    pub verified_by: Option<String>,
}

/// Checks all evidence. An archive that turns out not to be what was signed leaves the store.
pub fn check(
    cx: &Context,
    source: Source,
    entry: Entry,
    sha256: &str,
    evidence: &[Evidence],
) -> Result<Checked, Error> {
    let path = stored::archive(entry.path());
    let actual = hash(cx, &path)?;
    if actual != sha256 {
        return Err(Error::StoreAltered { path, expected: sha256.to_owned(), actual });
    }
    match weigh(cx, source.url, &path, sha256, evidence) {
        Ok(Some((chain, signer))) => {
            remember(source, &entry, &chain, signer)?;
            Ok(Checked { entry, verified_by: Some(chain) })
        }
        Ok(None) if source.accept_unverified => Ok(Checked { entry, verified_by: None }),
        Ok(None) => {
            let why = "it carries neither a signature nor a checksum".to_owned();
            Err(Error::Unverified { url: source.url.to_owned(), why })
        }
        Err(Error::Signature { source: SignatureError::NoTrustedSigner { .. }, .. })
            if source.accept_unverified =>
        {
            Ok(Checked { entry, verified_by: None })
        }
        Err(error) => {
            let known = Stored::read(entry.path()).is_some_and(|stored| stored.verified_by.is_some());
            let refuted = matches!(error, Error::Signature { .. } | Error::Altered { .. });
            drop(entry);
            if refuted && !known {
                cx.store.remove(Room::Tarballs, sha256, &cx.stop)?;
            }
            Err(error)
        }
    }
}

/// The chain of trust in words and the signer at its top, if there is any evidence.
fn weigh(
    cx: &Context,
    url: &str,
    path: &Path,
    sha256: &str,
    evidence: &[Evidence],
) -> Result<Option<(String, Option<String>)>, Error> {
    let mut words = Vec::new();
    let mut top = None;
    for evidence in evidence {
        match evidence {
            Evidence::Checksum { sha256: expected, .. } if expected != sha256 => {
                let (expected, actual) = (expected.clone(), sha256.to_owned());
                return Err(Error::Altered { url: url.to_owned(), expected, actual });
            }
            Evidence::Checksum { chain, signer, .. } => {
                words.push(chain.clone());
                top = top.or(signer.clone());
            }
            Evidence::Signature { document, certificates } => {
                let signer = check_signature(cx, url, path, document, certificates)?;
                words.push(format!("the detached signature by {signer} over the uncompressed archive"));
                top = Some(signer.fingerprint);
            }
        }
    }
    Ok((!words.is_empty()).then(|| (words.join("; "), top)))
}

fn check_signature(
    cx: &Context,
    url: &str,
    path: &Path,
    document: &[u8],
    certificates: &Certificates,
) -> Result<Signer, Error> {
    let open = || {
        let packed = Counted::open(cx, path)?;
        Ok(decompress(packed)? as Box<dyn Read>)
    };
    certificates.check_detached(document, open).map_err(|source| match cx.stop.is_set() {
        true => Error::Interrupted,
        false => Error::Signature { url: url.to_owned(), source },
    })
}

/// So that the next run, and `--offline`, need not decompress it all again.
fn remember(source: Source, entry: &Entry, chain: &str, signer: Option<String>) -> Result<(), Error> {
    // A pin of the user's own is no reason for another run to trust the archive.
    if signer.is_none() && source.origin == Origin::Tarball {
        return Ok(());
    }
    let record = Stored {
        release: source.release,
        origin: source.origin,
        url: source.url.to_owned(),
        verified_by: Some(chain.to_owned()),
        signer,
    };
    let path = entry.path();
    if Stored::read(path).as_ref() == Some(&record) {
        return Ok(());
    }
    record.write(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn hash(cx: &Context, path: &Path) -> Result<String, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let mut file = Counted::open(cx, path).map_err(read)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(_) if cx.stop.is_set() => return Err(Error::Interrupted),
            Err(source) => return Err(read(source)),
        }
    }
}

/// Reports how far a file was read, and ends with an error when the run is to stop.
struct Counted {
    file: File,
    done: u64,
    total: u64,
    events: Events,
    stop: Stop,
}

impl Counted {
    fn open(cx: &Context, path: &Path) -> io::Result<Counted> {
        let file = File::open(path)?;
        let total = file.metadata()?.len();
        Ok(Counted { file, done: 0, total, events: cx.events.clone(), stop: cx.stop.clone() })
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other("interrupted"));
        }
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        self.events.progress(Stage::Verify, self.done, Some(self.total), Unit::Bytes);
        Ok(count)
    }
}
