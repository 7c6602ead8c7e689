//! From what the user asked for to offers that really deliver it.

use std::collections::BTreeSet;

use super::catalogue::{Candidate, Catalogue};
use super::debian::{self, Debian};
use super::error::{Error, Tried};
use super::http::Http;
use super::kernel_org::KernelOrg;
use super::offer::{Location, Offer, Origin};
use super::spec::SourceSpec;
use super::stored::{self, Stored};
use super::{SourceRequest, key_source};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::release::{Line, Release, ReleaseSpec};

/// How many listed releases may turn out to be gone before the search for a near one ends.
const DEAD_ENTRIES: usize = 8;
/// How many lines, likewise.
const DEAD_LINES: usize = 3;

/// The archives of other people: kernel.org, Debian, and what the store has of them.
pub struct Archives<'a> {
    pub cx: &'a Context,
    pub request: &'a SourceRequest,
    pub http: &'a Http,
    pub kernel_org: Option<KernelOrg>,
    pub debian: Option<Debian>,
    pub stored: Vec<(String, Stored)>,
}

impl<'a> Archives<'a> {
    pub fn new(cx: &'a Context, request: &'a SourceRequest, http: &'a Http) -> Result<Archives<'a>, Error> {
        let wants = |origin: &SourceSpec| request.source == SourceSpec::Auto || request.source == *origin;
        let kernel_org = wants(&SourceSpec::KernelOrg)
            .then(|| KernelOrg::new(&request.kernel_org, key_source(cx, request)));
        let mirror = request.debian_mirror.as_deref();
        let debian = match wants(&SourceSpec::Debian) {
            true => Some(debian::Debian::new(mirror, request.keyring.as_deref())?),
            false => None,
        };
        let mut archives = Archives { cx, request, http, kernel_org, debian, stored: Vec::new() };
        archives.stored = stored::all(&cx.store)?;
        archives.stored.retain(|(sha256, stored)| {
            archives_accept(&archives.kernel_org, &archives.debian, sha256, stored)
        });
        Ok(archives)
    }

    pub fn offers(&self) -> Result<(Release, Vec<Offer>), Error> {
        let wanted = self.request.release;
        if self.cx.offline {
            return self.offline(wanted);
        }
        if let ReleaseSpec::Exact(release) = wanted {
            // A release never changes, so there is nothing to ask anybody.
            let held = self.held(&release);
            if !held.is_empty() {
                return Ok((release, held));
            }
        }
        let catalogue = self.catalogue()?;
        let mut tried = catalogue.tried;
        for release in choices(&catalogue.candidates, wanted) {
            let offers = self.of_release(&release, &catalogue.candidates, &mut tried)?;
            if !offers.is_empty() {
                for tried in &tried {
                    let text = format!("{}: {}", tried.source, tried.reason);
                    self.cx.events.note(Stage::Fetch, text);
                }
                return Ok((release, offers));
            }
        }
        self.explain_absence(wanted, &catalogue.candidates, &mut tried);
        let nearest = self.nearest(wanted, &catalogue.candidates, &tried)?;
        Err(Error::NotDelivered { wanted, tried, nearest })
    }

    pub fn catalogue(&self) -> Result<Catalogue, Error> {
        let mut catalogue = Catalogue::default();
        if let Some(kernel_org) = &self.kernel_org {
            catalogue.add(kernel_org.catalogue(self.cx, self.http, Some(&self.request.release))?);
        }
        if let Some(debian) = &self.debian {
            catalogue.add(debian.catalogue(self.cx, self.http)?);
        }
        Ok(catalogue)
    }

    fn offline(&self, wanted: ReleaseSpec) -> Result<(Release, Vec<Offer>), Error> {
        let mut held: Vec<_> = self.stored.iter().map(|(_, stored)| stored.release).collect();
        held.sort();
        held.dedup();
        match super::own::newest(&held, &wanted) {
            Some(release) => Ok((release, self.held(&release))),
            None => Err(Error::NotStored { wanted, held }),
        }
    }

    /// What the store has of a release.
    fn held(&self, release: &Release) -> Vec<Offer> {
        let of_release = self.stored.iter().filter(|(_, stored)| stored.release == *release);
        of_release.map(|(sha256, stored)| stored_offer(sha256, stored)).collect()
    }

    /// The offers of one release, in the order of the sources. Only the first of each source is
    /// asked whether it delivers; the others are there in case that it fails later.
    fn of_release(
        &self,
        release: &Release,
        candidates: &[Candidate],
        tried: &mut Vec<Tried>,
    ) -> Result<Vec<Offer>, Error> {
        let mut offers: Vec<Offer> = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.release == *release) {
            let known = |offer: &Offer| candidate.sha256.as_deref() == offer.sha256();
            if offers.iter().any(known) && candidate.sha256.is_some() {
                continue;
            }
            let held = self.stored.iter().find(|(sha256, _)| Some(sha256) == candidate.sha256.as_ref());
            if let Some((sha256, stored)) = held {
                offers.push(stored_offer(sha256, stored));
                continue;
            }
            match self.offer(candidate)? {
                Ok(offer) => {
                    if let Some(caveat) = &candidate.caveat {
                        self.cx.events.note(Stage::Fetch, caveat.clone());
                    }
                    offers.push(offer);
                }
                Err(reason) => tried.push(reason),
            }
        }
        Ok(offers)
    }

    fn offer(&self, candidate: &Candidate) -> Result<Result<Offer, Tried>, Error> {
        match (candidate.origin, &self.kernel_org, &self.debian) {
            (Origin::KernelOrg, Some(kernel_org), _) => {
                kernel_org.offer(self.http, candidate, self.request.no_verify)
            }
            (Origin::Debian, _, Some(debian)) => debian.offer(self.http, candidate),
            _ => unreachable!("a candidate comes from a source that was asked"),
        }
    }

    /// Sources that answered and simply do not have it say so too.
    fn explain_absence(&self, wanted: ReleaseSpec, candidates: &[Candidate], tried: &mut Vec<Tried>) {
        let asked = [(Origin::KernelOrg, self.kernel_org.is_some()), (Origin::Debian, self.debian.is_some())];
        let choices = choices(candidates, wanted);
        for (origin, _) in asked.into_iter().filter(|(_, asked)| *asked) {
            let of_origin = || candidates.iter().filter(|candidate| candidate.origin == origin);
            let offered = of_origin().any(|candidate| choices.contains(&candidate.release));
            let failed = tried.iter().any(|tried| tried.source == origin.name());
            if offered || failed {
                continue;
            }
            let releases: BTreeSet<Release> = of_origin().map(|candidate| candidate.release).collect();
            let reason = match releases.len() {
                0 => "it lists no release".to_owned(),
                count => format!("it lists {count} releases, but not this one"),
            };
            tried.push(Tried { source: origin.name().to_owned(), reason });
        }
    }

    /// Releases close to the wanted one that some source really delivers: the next ones of its
    /// line on both sides, and the newest of the lines around it.
    fn nearest(
        &self,
        wanted: ReleaseSpec,
        candidates: &[Candidate],
        tried: &[Tried],
    ) -> Result<Vec<Release>, Error> {
        let usable = |release: &Release| release.candidate.is_none() && release.has_io_threads();
        let mut known: BTreeSet<Release> = candidates.iter().map(|candidate| candidate.release).collect();
        known.extend(self.stored.iter().map(|(_, stored)| stored.release));
        known.retain(usable);
        let target = match wanted {
            ReleaseSpec::Exact(release) => release,
            ReleaseSpec::Newest(line) => Release::new(line.major, line.minor, 0),
            ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => Release::new(u32::MAX, 0, 0),
        };
        // A list has some dead entries; a mirror on which nothing is alive is not asked for ever.
        let first = |releases: &mut dyn Iterator<Item = &Release>| {
            let mut releases = releases.take(DEAD_ENTRIES);
            releases.find(|release| self.is_delivered(release, candidates, tried)).copied()
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
        if self.cx.stop.is_set() {
            return Err(Error::Interrupted);
        }
        Ok(nearest.into_iter().flatten().collect())
    }

    fn is_delivered(&self, release: &Release, candidates: &[Candidate], tried: &[Tried]) -> bool {
        let refused = format!("{release} is ");
        if !self.held(release).is_empty() {
            return true;
        }
        if tried.iter().any(|tried| tried.reason.starts_with(&refused)) {
            return false;
        }
        let mut of_release = candidates.iter().filter(|candidate| candidate.release == *release);
        of_release.any(|candidate| candidate.urls.iter().any(|url| self.http.delivers(url).is_ok()))
    }
}

/// Releases that answer the request, best first.
fn choices(candidates: &[Candidate], wanted: ReleaseSpec) -> Vec<Release> {
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

fn stored_offer(sha256: &str, stored: &Stored) -> Offer {
    Offer {
        origin: stored.origin,
        release: stored.release,
        url: stored.url.clone(),
        location: Location::Stored { sha256: sha256.to_owned() },
        evidence: stored.evidence(sha256).into_iter().collect(),
        accept_unverified: false,
    }
}

/// Whether the store's archive would be accepted if it were fetched now: its record must name
/// a signer that this request trusts, or a pin that holds.
fn archives_accept(
    kernel_org: &Option<KernelOrg>,
    debian: &Option<Debian>,
    sha256: &str,
    stored: &Stored,
) -> bool {
    if stored.verified_by.is_none() {
        return false;
    }
    match (stored.origin, kernel_org, debian, &stored.signer) {
        (Origin::KernelOrg, Some(kernel_org), _, Some(signer)) => {
            let pins = &kernel_org.keys.pins;
            pins.releases.iter().chain(&pins.checksums).any(|pin| pin.is(signer))
        }
        (Origin::KernelOrg, Some(kernel_org), _, None) => {
            kernel_org.keys.pins.tarball(&stored.release) == Some(sha256)
        }
        (Origin::Debian, _, Some(debian), Some(signer)) => debian.trusts(signer),
        _ => false,
    }
}
