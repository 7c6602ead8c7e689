//! Resolves a requested release to offers of the public archives.

use std::collections::BTreeSet;

use super::catalogue::{Candidate, Catalogue, Refusal};
use super::debian;
use super::error::Error;
use super::kernel_org::KernelOrg;
use super::offer::{Location, Offer, Origin};
use super::record::{self, ArchiveRecord};
use super::request::SourceRequest;
use super::spec::SourceSpec;
use super::user_source::newest;
use crate::base::context::Context;
use crate::base::debian::Debian;
use crate::base::debian::error::Attempt;
use crate::base::events::Stage;
use crate::base::http::Http;
use crate::base::release::{Line, Release, ReleaseSpec};

/// Number of listed releases that may be unavailable before the search for a near one ends.
const DEAD_ENTRIES: usize = 8;
/// Number of lines without an available release before the search ends.
const DEAD_LINES: usize = 3;

/// The public archives, kernel.org and Debian, and the store's archives from there.
pub(super) struct Archives<'a> {
    cx: &'a Context,
    request: &'a SourceRequest,
    http: &'a Http,
    kernel_org: Option<KernelOrg>,
    debian: Option<Debian>,
    /// SHA-256 and record of each archive in the store that the request trusts.
    pub(super) stored: Vec<(String, ArchiveRecord)>,
}

/// The state of a search.
#[derive(Default)]
struct Search {
    failed: Vec<Attempt>,
    /// Listed releases that no source provides.
    unavailable: BTreeSet<Release>,
    /// Whether a source has the release without a usable proof.
    is_unverifiable: bool,
}

impl<'a> Archives<'a> {
    /// The archives that the request names.
    pub(super) fn new(
        cx: &'a Context,
        request: &'a SourceRequest,
        http: &'a Http,
    ) -> Result<Archives<'a>, Error> {
        let wants = |origin: &SourceSpec| request.source == SourceSpec::Auto || request.source == *origin;
        let kernel_org = wants(&SourceSpec::KernelOrg)
            .then(|| KernelOrg::new(&request.kernel_org, request.key_source(cx)));
        let mirror = request.debian_mirror.as_deref();
        let debian = match wants(&SourceSpec::Debian) {
            true => Some(Debian::new(mirror, request.keyring.as_deref(), request.accept_stale_index)?),
            false => None,
        };
        let mut archives = Archives { cx, request, http, kernel_org, debian, stored: Vec::new() };
        let mut stored = record::all(&cx.store)?;
        stored.retain(|(sha256, record)| archives.trusts(sha256, record));
        archives.stored = stored;
        Ok(archives)
    }

    /// Whether the archive would be accepted if it were fetched now: its record names a signer that this
    /// request trusts, or its checksum is pinned.
    fn trusts(&self, sha256: &str, record: &ArchiveRecord) -> bool {
        if record.verified_by.is_none() {
            return false;
        }
        match (record.origin, &self.kernel_org, &self.debian, &record.signer) {
            (Origin::KernelOrg, Some(kernel_org), _, Some(signer)) => kernel_org.trusts(signer),
            (Origin::KernelOrg, Some(kernel_org), _, None) => {
                kernel_org.pinned(&record.release) == Some(sha256)
            }
            (Origin::Debian, _, Some(debian), Some(signer)) => debian.trusts(signer),
            _ => false,
        }
    }

    /// The best release that matches the request, with its offers in the order of the sources.
    pub(super) fn offers(&self) -> Result<(Release, Vec<Offer>), Error> {
        let wanted = self.request.release;
        if self.cx.offline {
            return self.offline(wanted);
        }
        if let ReleaseSpec::Exact(release) = wanted {
            // A release never changes: the store's archive of it is as good as a new one.
            let stored = self.stored_offers(&release);
            if !stored.is_empty() {
                return Ok((release, stored));
            }
        }
        let catalogue = self.catalogue()?;
        let mut search = Search { failed: catalogue.failed, ..Search::default() };
        for release in matching(&catalogue.candidates, wanted) {
            let offers = self.of_release(&release, &catalogue.candidates, &mut search)?;
            if !offers.is_empty() {
                for attempt in &search.failed {
                    self.cx.events.note(Stage::Fetch, attempt.to_string());
                }
                return Ok((release, offers));
            }
        }
        self.explain_absence(wanted, &catalogue.candidates, &mut search);
        let nearest = self.nearest(wanted, &catalogue.candidates, &search)?;
        let unverifiable = search.is_unverifiable;
        Err(Error::NotProvided { wanted, attempts: search.failed, nearest, unverifiable })
    }

    /// Lists the candidates of the archives for the requested release.
    pub(super) fn catalogue(&self) -> Result<Catalogue, Error> {
        let mut catalogue = Catalogue::default();
        if let Some(kernel_org) = &self.kernel_org {
            catalogue.add(kernel_org.catalogue(self.cx, self.http, &self.request.release)?);
        }
        if let Some(debian) = &self.debian {
            catalogue.add(debian::catalogue(debian, self.cx, self.http)?);
        }
        Ok(catalogue)
    }

    fn offline(&self, wanted: ReleaseSpec) -> Result<(Release, Vec<Offer>), Error> {
        let mut stored: Vec<_> = self.stored.iter().map(|(_, record)| record.release).collect();
        stored.sort();
        stored.dedup();
        match newest(&stored, &wanted) {
            Some(release) => Ok((release, self.stored_offers(&release))),
            None => Err(Error::NotStored { wanted, stored }),
        }
    }

    fn stored_offers(&self, release: &Release) -> Vec<Offer> {
        let of_release = self.stored.iter().filter(|(_, record)| record.release == *release);
        of_release.map(|(sha256, record)| stored_offer(sha256, record)).collect()
    }

    /// The offers of one release, in the order of the sources.
    fn of_release(
        &self,
        release: &Release,
        candidates: &[Candidate],
        search: &mut Search,
    ) -> Result<Vec<Offer>, Error> {
        let mut offers: Vec<Offer> = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.release == *release) {
            let known = |offer: &Offer| candidate.sha256.as_deref() == offer.sha256();
            if offers.iter().any(known) && candidate.sha256.is_some() {
                continue;
            }
            let stored = self.stored.iter().find(|(sha256, _)| Some(sha256) == candidate.sha256.as_ref());
            if let Some((sha256, record)) = stored {
                offers.push(stored_offer(sha256, record));
                continue;
            }
            match self.offer(candidate)? {
                Ok(offer) => {
                    if let Some(caveat) = &candidate.caveat {
                        self.cx.events.note(Stage::Fetch, caveat.clone());
                    }
                    offers.push(offer);
                }
                Err(Refusal::Unavailable(attempt)) => {
                    search.unavailable.insert(*release);
                    search.failed.push(attempt);
                }
                Err(Refusal::Unverifiable(attempt)) => {
                    search.is_unverifiable = true;
                    search.failed.push(attempt);
                }
            }
        }
        Ok(offers)
    }

    fn offer(&self, candidate: &Candidate) -> Result<Result<Offer, Refusal>, Error> {
        match (candidate.origin, &self.kernel_org) {
            (Origin::KernelOrg, Some(kernel_org)) => {
                kernel_org.offer(self.http, candidate, self.request.no_verify)
            }
            (Origin::Debian, _) => debian::offer(self.http, candidate),
            _ => unreachable!("only the archives of the request list candidates"),
        }
    }

    /// Adds a reason for each source that responded without listing the release.
    fn explain_absence(&self, wanted: ReleaseSpec, candidates: &[Candidate], search: &mut Search) {
        let archives =
            [(Origin::KernelOrg, self.kernel_org.is_some()), (Origin::Debian, self.debian.is_some())];
        let matching = matching(candidates, wanted);
        for (origin, _) in archives.into_iter().filter(|(_, requested)| *requested) {
            let of_origin = || candidates.iter().filter(|candidate| candidate.origin == origin);
            let listed = of_origin().any(|candidate| matching.contains(&candidate.release));
            let failed = search.failed.iter().any(|attempt| attempt.source == origin.name());
            if listed || failed {
                continue;
            }
            let releases: BTreeSet<Release> = of_origin().map(|candidate| candidate.release).collect();
            let reason = match releases.len() {
                0 => "it lists no release".to_owned(),
                count => format!("it lists {count} releases, but not this one"),
            };
            search.failed.push(Attempt { source: origin.name().to_owned(), reason });
        }
    }

    /// Available releases close to the wanted one: the next older and newer ones of its line, then the newest
    /// ones of the lines below and above.
    fn nearest(
        &self,
        wanted: ReleaseSpec,
        candidates: &[Candidate],
        search: &Search,
    ) -> Result<Vec<Release>, Error> {
        let usable = |release: &Release| release.candidate.is_none() && release.has_io_threads();
        let mut known: BTreeSet<Release> = candidates.iter().map(|candidate| candidate.release).collect();
        known.extend(self.stored.iter().map(|(_, record)| record.release));
        // No source offers the wanted one, even if it is listed.
        known.retain(|release| usable(release) && wanted != ReleaseSpec::Exact(*release));
        let target = match wanted {
            ReleaseSpec::Exact(release) => release,
            ReleaseSpec::Newest(line) => Release::new(line.major, line.minor, 0),
            ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => Release::new(u32::MAX, 0, 0),
        };
        // Some listed releases are unavailable; on a dead mirror all of them are.
        let first = |releases: &mut dyn Iterator<Item = &Release>| {
            let mut releases = releases.take(DEAD_ENTRIES);
            releases.find(|release| self.is_available(release, candidates, search)).copied()
        };
        let of_line = |release: &&Release| release.line() == target.line();
        let mut nearest = vec![
            first(&mut known.range(..target).rev().filter(of_line)),
            first(&mut known.range(target..).filter(of_line)),
        ];
        let lines: BTreeSet<Line> = known.iter().map(Release::line).collect();
        let newest_of =
            |line: &Line| first(&mut known.iter().rev().filter(|release| release.line() == *line));
        nearest.push(lines.range(..target.line()).rev().take(DEAD_LINES).find_map(newest_of));
        let above = lines.range(target.line()..).filter(|line| **line != target.line());
        nearest.push(above.take(DEAD_LINES).find_map(newest_of));
        self.cx.stop.check()?;
        Ok(nearest.into_iter().flatten().collect())
    }

    fn is_available(&self, release: &Release, candidates: &[Candidate], search: &Search) -> bool {
        if !self.stored_offers(release).is_empty() {
            return true;
        }
        if search.unavailable.contains(release) {
            return false;
        }
        let mut of_release = candidates.iter().filter(|candidate| candidate.release == *release);
        of_release.any(|candidate| candidate.urls.iter().any(|url| self.http.probe(url).is_ok()))
    }
}

/// The listed releases that match the request, best first.
fn matching(candidates: &[Candidate], wanted: ReleaseSpec) -> Vec<Release> {
    let all: BTreeSet<Release> = candidates.iter().map(|candidate| candidate.release).collect();
    let usable = all.iter().rev().filter(|release| release.candidate.is_none() && release.has_io_threads());
    match wanted {
        ReleaseSpec::Exact(release) => all.iter().filter(|found| **found == release).copied().collect(),
        ReleaseSpec::Newest(line) => usable.filter(|release| release.line() == line).copied().collect(),
        ReleaseSpec::Latest => usable.copied().collect(),
        ReleaseSpec::NewestLongTerm => {
            usable.filter(|release| Line::LONG_TERM.contains(&release.line())).copied().collect()
        }
    }
}

fn stored_offer(sha256: &str, record: &ArchiveRecord) -> Offer {
    Offer {
        origin: record.origin,
        release: record.release,
        url: record.url.clone(),
        location: Location::Stored { sha256: sha256.to_owned() },
        proofs: record.proof(sha256).into_iter().collect(),
        accept_unverified: false,
        caveat: None,
    }
}
