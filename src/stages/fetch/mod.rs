//! Fetch: from a release to a source archive in the store.

mod catalogue;
pub(crate) mod debian;
mod download;
mod error;
pub mod git;
pub(crate) mod http;
mod kernel_org;
pub mod keys;
mod listing;
mod offer;
mod own;
pub mod pins;
mod resolve;
mod spec;
pub(crate) mod stored;

use std::path::PathBuf;

use self::download::Expected;
use self::http::Http;
use self::keys::{KeySource, KeysMissing};
use self::pins::Pins;
use self::resolve::Archives;
use self::stored::Stored;
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::openpgp::verify::Certificates;
use crate::base::release::{Release, ReleaseSpec};

pub use self::error::{Error, Tried};
pub use self::http::Failure;
pub use self::listing::{Listed, Listing, listing};
pub use self::offer::{Content, Evidence, Location, Offer, Origin, Tarball};
pub use self::spec::{ParseError as SourceSpecError, SourceSpec};

/// Which release to fetch, from where, and how it is trusted.
#[derive(Clone, Debug)]
pub struct SourceRequest {
    pub release: ReleaseSpec,
    pub source: SourceSpec,
    /// Accept a source without a signature or checksum.
    pub no_verify: bool,
    /// OpenPGP certificates to verify with, besides the host's and kernel.org's.
    pub keyring: Option<PathBuf>,
    /// Base addresses of kernel.org mirrors, in the order to try; empty for kernel.org itself.
    pub kernel_org: Vec<String>,
    /// Base address of a Debian mirror; `None` for the one that this host's apt uses.
    pub debian_mirror: Option<String>,
    /// What kernel.org is trusted by; tests replace the default.
    pub pins: Pins,
}

/// What the sources offer for `request`, best first. Contacts the sources unless offline, or
/// unless the store holds the exact release that is asked for.
///
/// All offers are of one release. The list is never empty.
pub fn offers(cx: &Context, request: &SourceRequest) -> Result<(Release, Vec<Offer>), Error> {
    let http = Http::new(&cx.stop);
    let one = |offer: Offer| (offer.release, vec![offer]);
    match &request.source {
        SourceSpec::Auto | SourceSpec::KernelOrg | SourceSpec::Debian => {
            Archives::new(cx, request, &http)?.offers()
        }
        SourceSpec::Git { url, reference } => {
            own::git(cx, request, url, reference.as_deref(), key_source(cx, request)).map(one)
        }
        SourceSpec::Tarball { location, sha256 } => {
            let keys = key_source(cx, request);
            own::tarball(cx, &http, request, location, sha256.as_deref(), &keys).map(one)
        }
        SourceSpec::Directory(path) => own::directory(request, path).map(one),
    }
}

fn key_source(cx: &Context, request: &SourceRequest) -> KeySource {
    KeySource {
        keyring: request.keyring.clone(),
        directories: request.pins.key_directories.clone(),
        pins: request.pins.clone(),
        offline: cx.offline,
    }
}

/// The first offer that can be delivered. What was altered on its way is an error at once: to
/// go on to the next source would hide an attack.
pub fn fetch(cx: &Context, offers: &[Offer]) -> Result<Tarball, Error> {
    let http = Http::new(&cx.stop);
    let mut last = None;
    for offer in offers {
        match deliver(cx, &http, offer) {
            Err(error @ Error::Download { .. }) => {
                let cause = std::error::Error::source(&error).map_or(String::new(), ToString::to_string);
                cx.events.note(Stage::Fetch, format!("{}: {cause}", offer.url));
                last = Some(error);
            }
            other => return other,
        }
    }
    Err(last.expect("there is always an offer"))
}

fn deliver(cx: &Context, http: &Http, offer: &Offer) -> Result<Tarball, Error> {
    let (content, cached) = match &offer.location {
        Location::Directory { path } => (Content::Directory { path: path.clone() }, false),
        Location::Git { url, reference, keys } => (git_content(cx, http, url, reference, keys)?, false),
        Location::Stored { sha256 } => {
            let entry =
                stored::find(cx, sha256)?.ok_or_else(|| Error::Offline { what: offer.url.clone() })?;
            (Content::Archive { entry, sha256: sha256.clone() }, true)
        }
        Location::File { path, sha256 } => {
            let record = offer.record();
            let (entry, sha256) = download::take_in(cx, path, sha256.as_deref(), &record)?;
            (Content::Archive { entry, sha256 }, false)
        }
        Location::Remote { urls, sha256, bytes } => {
            let expected = Expected { sha256: sha256.as_deref(), bytes: *bytes };
            match sha256.as_ref().map(|sha256| stored::find(cx, sha256)).transpose()?.flatten() {
                Some(entry) => {
                    let sha256 = sha256.clone().expect("it was found by it");
                    (Content::Archive { entry, sha256 }, true)
                }
                None if cx.offline => return Err(Error::Offline { what: offer.url.clone() }),
                None => {
                    let (entry, sha256) = from_any(cx, http, urls, expected, &offer.record())?;
                    (Content::Archive { entry, sha256 }, false)
                }
            }
        }
    };
    Ok(Tarball {
        origin: offer.origin,
        release: offer.release,
        url: offer.url.clone(),
        content,
        evidence: offer.evidence.clone(),
        accept_unverified: offer.accept_unverified,
        cached,
    })
}

fn from_any(
    cx: &Context,
    http: &Http,
    urls: &[String],
    expected: Expected,
    record: &Stored,
) -> Result<(crate::base::store::Entry, String), Error> {
    let mut last = None;
    for url in urls {
        match download::download(cx, http, url, expected, record) {
            Err(error @ Error::Download { .. }) => last = Some(error),
            other => return other,
        }
    }
    Err(last.expect("an offer has an address"))
}

fn git_content(
    cx: &Context,
    http: &Http,
    url: &str,
    reference: &str,
    keys: &KeySource,
) -> Result<Content, Error> {
    let checkout = git::obtain(cx, url, reference)?;
    let failed = |source| Error::Git { url: url.to_owned(), source };
    let certificates = match checkout.signed_tag().map_err(failed)? {
        None => Certificates::default(),
        Some(_) => match keys.certificates(http, &keys.pins.releases) {
            Ok(certificates) => certificates,
            Err(KeysMissing::Interrupted) => return Err(Error::Interrupted),
            Err(missing) => {
                cx.events.note(Stage::Fetch, missing.to_string());
                Certificates::default()
            }
        },
    };
    Ok(Content::Git { checkout, certificates })
}

impl Offer {
    /// The archive's checksum, where it is known before the archive is.
    pub fn sha256(&self) -> Option<&str> {
        match &self.location {
            Location::Stored { sha256 } => Some(sha256),
            Location::Remote { sha256, .. } | Location::File { sha256, .. } => sha256.as_deref(),
            Location::Git { .. } | Location::Directory { .. } => None,
        }
    }

    /// What the store will say of the archive until it is verified.
    fn record(&self) -> Stored {
        let url = self.url.clone();
        Stored { release: self.release, origin: self.origin, url, verified_by: None, signer: None }
    }
}
