//! Fetches the content of a source from its offers.

use super::error::Error;
use super::git;
use super::keys::{KeySource, KeysMissing};
use super::offer::{Content, FetchedSource, Location, Offer};
use super::record::ArchiveRecord;
use crate::base::context::Context;
use crate::base::download::{self, Expected, download};
use crate::base::events::Stage;
use crate::base::http::Http;
use crate::base::openpgp::verify::Certificates;
use crate::base::store::Entry;
use crate::base::store_archives;
use crate::base::text::without_secrets;

/// Fetches the first offer whose source works. `offers` must not be empty.
///
/// # Errors
/// An altered file is an error at once: using the next source would hide an attack.
pub fn fetch(cx: &Context, offers: &[Offer]) -> Result<FetchedSource, Error> {
    let http = Http::new(&cx.stop);
    let mut failure = None;
    for offer in offers {
        match deliver(cx, &http, offer) {
            Err(Error::Download(download::Error::Http { url, source })) => {
                cx.events.note(Stage::Fetch, format!("{}: {source}", offer.url));
                failure = Some(download::Error::Http { url, source });
            }
            other => return other,
        }
    }
    Err(failure.expect("a list of offers is never empty").into())
}

fn deliver(cx: &Context, http: &Http, offer: &Offer) -> Result<FetchedSource, Error> {
    let (content, cached) = match &offer.location {
        Location::Directory(directory) => (Content::Directory(directory.clone()), false),
        Location::Git { url, reference, keys } => (git_content(cx, http, url, reference, keys)?, false),
        // If the archive is damaged, it is fetched again from where it came.
        Location::Stored { sha256 } => {
            let expected = Expected { sha256: Some(sha256), bytes: None };
            remote_content(cx, http, offer, std::slice::from_ref(&offer.url), expected)?
        }
        Location::File { path, sha256 } => {
            let (entry, sha256) = download::copy_in(cx, path, sha256.as_deref(), &record(offer))?;
            (Content::Archive { entry, sha256 }, false)
        }
        Location::Remote { urls, sha256, bytes } => {
            let expected = Expected { sha256: sha256.as_deref(), bytes: *bytes };
            remote_content(cx, http, offer, urls, expected)?
        }
    };
    Ok(FetchedSource {
        origin: offer.origin,
        release: offer.release,
        url: without_secrets(&offer.url).into_owned(),
        content,
        proofs: offer.proofs.clone(),
        accept_unverified: offer.accept_unverified,
        caveat: offer.caveat.clone(),
        cached,
    })
}

/// The archive, and whether the store already had it.
fn remote_content(
    cx: &Context,
    http: &Http,
    offer: &Offer,
    urls: &[String],
    expected: Expected,
) -> Result<(Content, bool), Error> {
    if let Some(sha256) = expected.sha256
        && let Some(entry) = store_archives::find(cx, sha256)?
    {
        return Ok((Content::Archive { entry, sha256: sha256.to_owned() }, true));
    }
    if cx.offline {
        return Err(Error::Offline { what: offer.url.clone() });
    }
    let (entry, sha256) = from_any(cx, http, urls, expected, &record(offer))?;
    Ok((Content::Archive { entry, sha256 }, false))
}

fn from_any(
    cx: &Context,
    http: &Http,
    urls: &[String],
    expected: Expected,
    record: &ArchiveRecord,
) -> Result<(Entry, String), download::Error> {
    let mut failure = None;
    for url in urls {
        match download(cx, http, url, expected, record) {
            Err(error @ download::Error::Http { .. }) => failure = Some(error),
            other => return other,
        }
    }
    Err(failure.expect("an offer has an address"))
}

/// The record of an archive that is not verified yet.
fn record(offer: &Offer) -> ArchiveRecord {
    let url = without_secrets(&offer.url).into_owned();
    ArchiveRecord { release: offer.release, origin: offer.origin, url, verified_by: None, signer: None }
}

fn git_content(
    cx: &Context,
    http: &Http,
    url: &str,
    reference: &str,
    keys: &KeySource,
) -> Result<Content, Error> {
    let revision = git::obtain(cx, url, reference)?;
    let failed = |source| Error::Git { url: url.to_owned(), source };
    let certificates = match revision.signed_tag().map_err(failed)? {
        None => Certificates::default(),
        Some(_) => match keys.of_users_source(http) {
            Ok(certificates) => certificates,
            Err(KeysMissing::Interrupted(interrupted)) => return Err(interrupted.into()),
            Err(missing) => {
                cx.events.note(Stage::Fetch, missing.to_string());
                Certificates::default()
            }
        },
    };
    Ok(Content::Git { revision, certificates })
}
