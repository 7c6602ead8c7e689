//! Debian as a source: the upstream archives of its `linux` source packages.

mod upstream;

use std::io;

use fs_err as fs;
use jiff::Timestamp;

use self::upstream::{Upstream, upstreams};
use super::catalogue::{Candidate, Catalogue, Refusal, Trust};
use super::error::Error;
use super::offer::{Location, Offer, Origin};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::debian::error::SuiteError;
use crate::base::debian::index::{IndexFile, Suite};
use crate::base::debian::{Debian, NAME, Repository, suites};
use crate::base::events::Stage;
use crate::base::files;
use crate::base::http::{self, Http};
use crate::base::openpgp::verify::Signer;
use crate::base::store::{self, Bucket, Lookup};

/// Version of the extract of a `Sources` index in the store.
const EXTRACT_VERSION: u32 = 1;

/// Lists the releases of all suites, which are read in parallel.
pub(super) fn catalogue(debian: &Debian, cx: &Context, http: &Http) -> Result<Catalogue, Error> {
    let mut catalogue = Catalogue::default();
    if !debian.has_mirror() {
        let reason = "apt on this host has no Debian mirror configured; pass --debian-mirror";
        catalogue.add_failure(NAME, reason);
        return Ok(catalogue);
    }
    let suites = suites();
    let results: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> =
            suites.iter().map(|suite| scope.spawn(|| of_suite(debian, cx, http, suite))).collect();
        running.into_iter().map(|thread| thread.join().expect("listing does not panic")).collect()
    });
    let mut unreachable = Vec::new();
    for (suite, result) in suites.iter().zip(results) {
        match result {
            Ok(candidates) => catalogue.candidates.extend(candidates),
            Err(ListError::Stage(error)) => return Err(error),
            Err(ListError::Suite(SuiteError::Interrupted(interrupted))) => return Err(interrupted.into()),
            Err(ListError::Suite(SuiteError::Store(error))) => return Err(error.into()),
            Err(ListError::Suite(SuiteError::Absent)) => {}
            Err(ListError::Suite(SuiteError::Unreachable(reason))) => unreachable.push(reason),
            Err(ListError::Suite(SuiteError::Unusable(reason))) => {
                catalogue.add_failure(&format!("{NAME} ({suite})"), reason);
            }
        }
    }
    // One line for a mirror that is down, not one for each of its suites.
    unreachable.sort();
    unreachable.dedup();
    for reason in unreachable {
        catalogue.add_failure(NAME, reason);
    }
    Ok(catalogue)
}

/// Returns the candidate as an offer if the mirror has its file, else the refusal.
pub(super) fn offer(http: &Http, candidate: &Candidate) -> Result<Result<Offer, Refusal>, Error> {
    let urls = match http.skip_unavailable(&candidate.urls) {
        Ok(urls) => urls,
        Err(http::Error::Interrupted(interrupted)) => return Err(interrupted.into()),
        Err(error) => {
            let reason = format!("{} is listed but not available ({})", candidate.release, error.brief());
            return Ok(Err(Refusal::Unavailable(candidate.failed(reason))));
        }
    };
    Ok(Ok(Offer {
        origin: Origin::Debian,
        release: candidate.release,
        url: urls[0].clone(),
        location: Location::Remote { urls, sha256: candidate.sha256.clone(), bytes: candidate.bytes },
        proofs: candidate.checksum().into_iter().collect(),
        accept_unverified: false,
        caveat: candidate.caveat.clone(),
    }))
}

/// Why a suite cannot be listed; only `Stage` ends the stage.
enum ListError {
    Suite(SuiteError),
    Stage(Error),
}

impl From<SuiteError> for ListError {
    fn from(error: SuiteError) -> ListError {
        ListError::Suite(error)
    }
}

impl From<io::Error> for ListError {
    fn from(error: io::Error) -> ListError {
        ListError::Stage(error.into())
    }
}

impl From<store::Error> for ListError {
    fn from(error: store::Error) -> ListError {
        ListError::Stage(error.into())
    }
}

/// Lists the suite from the first repository that has it.
fn of_suite(debian: &Debian, cx: &Context, http: &Http, name: &str) -> Result<Vec<Candidate>, ListError> {
    let mut failure = SuiteError::Absent;
    for repository in debian.repositories(name) {
        match candidates(repository, cx, http, name) {
            Err(ListError::Suite(SuiteError::Absent)) => {}
            Err(ListError::Suite(error @ (SuiteError::Unreachable(_) | SuiteError::Unusable(_)))) => {
                failure = error;
            }
            other => return other,
        }
    }
    let seen = debian.repositories(name).iter().any(|repository| repository.was_seen(cx, name));
    Err(match failure {
        // A mirror could hide the newest releases in this way.
        SuiteError::Absent if seen => {
            SuiteError::Unusable("the mirror no longer has it, although an earlier run read it".to_owned())
        }
        failure => failure,
    }
    .into())
}

fn candidates(
    repository: &Repository,
    cx: &Context,
    http: &Http,
    name: &str,
) -> Result<Vec<Candidate>, ListError> {
    let (suite, signer) = repository.in_release(cx, http, name)?;
    let Some(sources) = &suite.sources else { return Ok(Vec::new()) };
    let upstreams = extract(repository, cx, http, name, &suite, sources)?;
    let caveat = suite.valid_until.filter(|until| *until < Timestamp::now()).map(|until| {
        format!("the mirror's index of {name} was valid until {until}; it may lack newer releases")
    });
    let candidates = upstreams.into_iter().map(|upstream| Candidate {
        origin: Origin::Debian,
        release: upstream.release,
        listed_by: name.to_owned(),
        // The ~ of a version stays unescaped: some mirrors do not know its percent-encoded form.
        urls: vec![repository.address(&format!("{}/{}", upstream.directory, upstream.file))],
        bytes: Some(upstream.bytes),
        trust: Some(trust(name, &signer, &upstream)),
        sha256: Some(upstream.sha256),
        caveat: caveat.clone(),
    });
    Ok(candidates.collect())
}

fn trust(suite: &str, signer: &Signer, upstream: &Upstream) -> Trust {
    Trust {
        chain: format!(
            "InRelease of {suite} signed by {signer}; its Sources index; the SHA-256 of {} in it",
            upstream.file
        ),
        signer: signer.fingerprint.clone(),
    }
}

/// The upstream archives of the suite's `Sources` index, from the store if an earlier run read the same index.
fn extract(
    repository: &Repository,
    cx: &Context,
    http: &Http,
    name: &str,
    suite: &Suite,
    sources: &IndexFile,
) -> Result<Vec<Upstream>, ListError> {
    let key = Key::of("debian-sources", &(EXTRACT_VERSION, &sources.sha256));
    let slot = match cx.lookup(Stage::Fetch, Bucket::Indexes, key.as_str())? {
        Lookup::Hit(entry) => {
            let path = entry.path().join("upstreams.json");
            let parsed = serde_json::from_slice(&fs::read(&path)?);
            return Ok(parsed.map_err(|error| files::at("parse", &path, error.into()))?);
        }
        Lookup::Miss(slot) => slot,
    };
    let plain = repository.index(http, name, suite, sources)?;
    let upstreams = upstreams(plain).map_err(|error| sources.unreadable(&error))?;
    let text = serde_json::to_vec(&upstreams).expect("upstream archives are plain data");
    fs::write(slot.path().join("upstreams.json"), text)?;
    slot.commit()?;
    Ok(upstreams)
}
