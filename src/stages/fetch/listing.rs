//! All releases that the sources list, for `kpatch-build releases`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::Error;
use super::git;
use super::offer::Origin;
use super::offers::offers;
use super::request::SourceRequest;
use super::resolve::Archives;
use super::spec::SourceSpec;
use crate::base::context::Context;
use crate::base::debian::error::Attempt;
use crate::base::http::Http;
use crate::base::release::{Line, Release, ReleaseSpec};

/// One release of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The release.
    pub release: Release,
    /// The source.
    pub origin: Origin,
    /// The Debian suite, the directory of kernel.org or the address; `store` for an archive that no source lists.
    pub listed_by: String,
    /// Whether the store has the release.
    pub stored: bool,
}

/// All releases that the sources list. A listed release may be unavailable: see [`super::offers`].
#[derive(Debug, Default)]
pub struct Listing {
    /// The newest line and the newest release first.
    pub lines: Vec<(Line, Vec<Listed>)>,
    /// Sources that could not be listed.
    pub failed: Vec<Attempt>,
}

/// Lists all releases of the request's sources; `request.release` is ignored.
pub fn listing(cx: &Context, request: &SourceRequest) -> Result<Listing, Error> {
    let all = SourceRequest { release: ReleaseSpec::Latest, ..request.clone() };
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
                failed = catalogue.failed;
                listed.extend(catalogue.candidates.into_iter().map(|candidate| Listed {
                    release: candidate.release,
                    origin: candidate.origin,
                    stored: archives.stored.iter().any(|(_, record)| record.release == candidate.release),
                    listed_by: candidate.listed_by,
                }));
            }
            for (_, record) in &archives.stored {
                if !listed.iter().any(|listed| listed.release == record.release) {
                    let (release, origin) = (record.release, record.origin);
                    listed.push(Listed {
                        release,
                        origin,
                        listed_by: "(not listed now)".to_owned(),
                        stored: true,
                    });
                }
            }
        }
        SourceSpec::Tarball { .. } | SourceSpec::Directory(_) => {
            let (release, offers) = offers(cx, &all)?;
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
        // A stable sort: sources keep their order within a release.
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.release));
        (line, listed)
    };
    lines.into_iter().rev().map(newest_first).collect()
}
