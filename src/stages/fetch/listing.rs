//! What `kpatch-build releases` shows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::{Error, Tried};
use super::http::Http;
use super::offer::Origin;
use super::resolve::Archives;
use super::spec::SourceSpec;
use super::{SourceRequest, git};
use crate::base::context::Context;
use crate::base::release::{Line, Release};

/// One release of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub release: Release,
    pub origin: Origin,
    /// The suite or folder; `store` for what needs no network.
    pub listed_by: String,
    /// Whether the store holds it.
    pub stored: bool,
}

/// All that the sources list, newest line and newest release first. That a release is listed
/// does not mean that it is delivered: see [`super::offers`].
#[derive(Debug, Default)]
pub struct Listing {
    pub lines: Vec<(Line, Vec<Listed>)>,
    /// Sources that could not be asked, and why.
    pub failed: Vec<Tried>,
}

/// `request.release` is not looked at: everything is listed.
pub fn listing(cx: &Context, request: &SourceRequest) -> Result<Listing, Error> {
    let mut all = request.clone();
    all.release = crate::base::release::ReleaseSpec::Latest;
    let mut listed = Vec::new();
    let mut failed = Vec::new();
    match &request.source {
        SourceSpec::Git { url, .. } => {
            let releases = git::releases(cx, url)?;
            listed.extend(releases.into_iter().map(|release| Listed {
                release,
                origin: Origin::Git,
                listed_by: url.clone(),
                stored: false,
            }));
        }
        SourceSpec::Auto | SourceSpec::KernelOrg | SourceSpec::Debian => {
            let http = Http::new(&cx.stop);
            let archives = Archives::new(cx, &all, &http)?;
            if !cx.offline {
                let catalogue = archives.catalogue()?;
                failed = catalogue.tried;
                listed.extend(catalogue.candidates.into_iter().map(|candidate| Listed {
                    release: candidate.release,
                    origin: candidate.origin,
                    stored: archives.stored.iter().any(|(_, stored)| stored.release == candidate.release),
                    listed_by: candidate.listed_by,
                }));
            }
            for (_, stored) in &archives.stored {
                if !listed.iter().any(|listed| listed.release == stored.release) {
                    let (release, origin) = (stored.release, stored.origin);
                    listed.push(Listed { release, origin, listed_by: "store".to_owned(), stored: true });
                }
            }
        }
        SourceSpec::Tarball { .. } | SourceSpec::Directory(_) => {
            let (release, offers) = super::offers(cx, &all)?;
            let origin = offers[0].origin;
            listed.push(Listed { release, origin, listed_by: request.source.to_string(), stored: false });
        }
    }
    Ok(Listing { lines: by_line(listed), failed })
}

fn by_line(listed: Vec<Listed>) -> Vec<(Line, Vec<Listed>)> {
    let mut lines: BTreeMap<Line, Vec<Listed>> = BTreeMap::new();
    for listed in listed {
        lines.entry(listed.release.line()).or_default().push(listed);
    }
    let newest_first = |(line, mut listed): (Line, Vec<Listed>)| {
        // Stable: sources keep their order within a release.
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.release));
        (line, listed)
    };
    lines.into_iter().rev().map(newest_first).collect()
}
