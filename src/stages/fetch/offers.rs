//! The offers for a request, for every kind of source.

use super::error::Error;
use super::offer::Offer;
use super::request::SourceRequest;
use super::resolve::Archives;
use super::spec::SourceSpec;
use super::user_source;
use crate::base::context::Context;
use crate::base::http::Http;
use crate::base::release::Release;

/// The release that the sources offer for `request`, and its offers in the order to try, at least one.
///
/// Contacts the sources unless the context is offline or the store has the exact release.
///
/// # Errors
/// [`Error::NotProvided`] when no source has a matching release; offline, [`Error::NotStored`] or
/// [`Error::Offline`].
pub fn offers(cx: &Context, request: &SourceRequest) -> Result<(Release, Vec<Offer>), Error> {
    let http = Http::new(&cx.stop);
    let single = |offer: Offer| (offer.release, vec![offer]);
    match &request.source {
        SourceSpec::Auto | SourceSpec::KernelOrg | SourceSpec::Debian => {
            Archives::new(cx, request, &http)?.offers()
        }
        SourceSpec::Git { url, reference } => {
            let keys = request.key_source(cx);
            user_source::git(cx, request, url, reference.as_deref(), keys).map(single)
        }
        SourceSpec::Tarball { location, sha256 } => {
            let keys = request.key_source(cx);
            user_source::tarball(cx, &http, request, location, sha256.as_deref(), &keys).map(single)
        }
        SourceSpec::Directory(path) => user_source::directory(cx, request, path).map(single),
    }
}
