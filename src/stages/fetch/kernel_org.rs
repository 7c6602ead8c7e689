//! kernel.org and its mirrors: `/pub/linux/kernel/v6.x/`, as <https://www.kernel.org/signature.html> describes it.

use super::catalogue::{Candidate, Catalogue, Refusal, Trust};
use super::error::Error;
use super::keys::{KeySource, KeysMissing};
use super::offer::{Location, Offer, Origin, Proof};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest::parse_sha256;
use crate::base::events::Stage;
use crate::base::http::{self, Http};
use crate::base::openpgp::verify::{Certificates, SignatureError};
use crate::base::release::{Line, Release, ReleaseSpec};
use crate::base::seen::Seen;
use crate::base::stop::Interrupted;
use crate::base::store;

const NAME: &str = "kernel.org";
const DEFAULT_MIRRORS: [&str; 2] = ["https://cdn.kernel.org", "https://www.kernel.org"];
/// The list of v6.x has about 200 kilobytes.
const LIST_LIMIT: u64 = 16 << 20;
const SIGNATURE_LIMIT: u64 = 1 << 20;

/// The mirrors of kernel.org and the keys that must have signed their files.
#[derive(Clone, Debug)]
pub(super) struct KernelOrg {
    /// Base addresses without a slash at the end, in the order to try.
    mirrors: Vec<String>,
    keys: KeySource,
}

impl KernelOrg {
    /// Without `mirrors`, kernel.org itself is used.
    pub(super) fn new(mirrors: &[String], mut keys: KeySource) -> KernelOrg {
        let trimmed = mirrors.iter().map(|mirror| mirror.trim_end_matches('/').to_owned());
        let mut mirrors: Vec<String> = trimmed.collect();
        // A mirror may serve the keys as well, and on a closed network it may be the only host that responds.
        keys.directories.splice(0..0, mirrors.iter().cloned());
        if mirrors.is_empty() {
            mirrors = DEFAULT_MIRRORS.map(str::to_owned).to_vec();
        }
        KernelOrg { mirrors, keys }
    }

    /// Whether the certificate with this fingerprint may sign releases or their checksums.
    pub(super) fn trusts(&self, fingerprint: &str) -> bool {
        let pins = &self.keys.pins;
        pins.releases.iter().chain(&pins.checksums).any(|pin| pin.is(fingerprint))
    }

    /// The pinned SHA-256 of the release's archive.
    pub(super) fn pinned(&self, release: &Release) -> Option<&str> {
        self.keys.pins.tarball(release)
    }

    /// Lists the directories that `wanted` can be in.
    pub(super) fn catalogue(
        &self,
        cx: &Context,
        http: &Http,
        wanted: &ReleaseSpec,
    ) -> Result<Catalogue, Error> {
        let mut signers = None;
        let mut catalogue = Catalogue::default();
        for major in majors(wanted) {
            match self.directory(cx, http, major, &mut signers) {
                Ok(candidates) => catalogue.candidates.extend(candidates),
                Err(ListError::Interrupted(interrupted)) => return Err(interrupted.into()),
                Err(ListError::Store(error)) => return Err(error.into()),
                Err(ListError::Absent) => {}
                Err(ListError::Unusable(reason)) => {
                    catalogue.add_failure(NAME, reason);
                    break;
                }
            }
        }
        if let ReleaseSpec::Exact(release) = wanted {
            self.add_unlisted(release, &mut catalogue);
        }
        Ok(catalogue)
    }

    fn directory(
        &self,
        cx: &Context,
        http: &Http,
        major: u32,
        signers: &mut Option<Result<Certificates, KeysMissing>>,
    ) -> Result<Vec<Candidate>, ListError> {
        let address = format!("/pub/linux/kernel/v{major}.x/sha256sums.asc");
        let served = match self.first(http, &address, LIST_LIMIT) {
            Ok(list) => Some(list),
            Err(ListError::Absent) => None,
            Err(error) => return Err(error),
        };
        let signers = signers.get_or_insert_with(|| self.keys.certificates(http, &self.keys.pins.checksums));
        let list = match (signers, served) {
            (Err(KeysMissing::Interrupted(interrupted)), _) => {
                return Err(ListError::Interrupted(*interrupted));
            }
            (Err(_), None) => return Err(ListError::Absent),
            (Err(missing), Some(served)) => {
                let text = format!("the checksums of {NAME} are not trusted: {missing}");
                cx.events.note(Stage::Fetch, text);
                List::untrusted(&served)
            }
            (Ok(signers), served) => newest(cx, major, signers, served)?,
        };
        let candidates = listed(&list.text).map(|(release, sha256)| Candidate {
            sha256: Some(sha256),
            trust: list.trust.clone(),
            ..self.candidate(release)
        });
        Ok(candidates.collect())
    }

    /// A release without a checksum.
    fn candidate(&self, release: Release) -> Candidate {
        Candidate {
            origin: Origin::KernelOrg,
            release,
            listed_by: format!("v{}.x", release.major),
            urls: self.addresses(&release),
            sha256: None,
            bytes: None,
            trust: None,
            caveat: None,
        }
    }

    /// Downloads a file from the first mirror that has it.
    fn first(&self, http: &Http, path: &str, limit: u64) -> Result<Vec<u8>, ListError> {
        let mut absent = false;
        let mut reason = String::new();
        for mirror in &self.mirrors {
            match http.get(&format!("{mirror}{path}"), limit) {
                Ok(bytes) => return Ok(bytes),
                Err(http::Error::Interrupted(interrupted)) => return Err(interrupted.into()),
                Err(error) if error.is_absent() => absent = true,
                Err(error) => reason = error.to_string(),
            }
        }
        Err(if absent { ListError::Absent } else { ListError::Unusable(reason) })
    }

    fn addresses(&self, release: &Release) -> Vec<String> {
        let path = format!("/pub/linux/kernel/v{}.x/linux-{release}.tar.xz", release.major);
        self.mirrors.iter().map(|mirror| format!("{mirror}{path}")).collect()
    }

    /// Adds the release if nothing is listed: a mirror without the list may have the archive and its signature.
    fn add_unlisted(&self, release: &Release, catalogue: &mut Catalogue) {
        if catalogue.candidates.iter().any(|candidate| candidate.release == *release) {
            return;
        }
        if release.candidate.is_some() {
            catalogue.failed.clear();
            catalogue.add_failure(NAME, "it does not publish release candidates as signed archives");
        } else if !catalogue.candidates.is_empty() {
            catalogue.add_failure(NAME, format!("it is not in /pub/linux/kernel/v{}.x", release.major));
        } else if catalogue.failed.is_empty() {
            catalogue.candidates.push(self.candidate(*release));
        }
    }

    /// Returns the candidate with its proofs as an offer if a mirror has its file, else the refusal.
    pub(super) fn offer(
        &self,
        http: &Http,
        candidate: &Candidate,
        accept_unverified: bool,
    ) -> Result<Result<Offer, Refusal>, Error> {
        let urls = match http.skip_unavailable(&candidate.urls) {
            Ok(urls) => urls,
            Err(http::Error::Interrupted(interrupted)) => return Err(interrupted.into()),
            Err(error) => {
                let reason = format!("{} is not available: {}", candidate.release, error.brief());
                return Ok(Err(Refusal::Unavailable(candidate.failed(reason))));
            }
        };
        let mut proofs: Vec<_> = candidate.checksum().into_iter().collect();
        let pin = self.pinned(&candidate.release);
        proofs.extend(pin.map(|sha256| Proof::Checksum {
            sha256: sha256.to_owned(),
            chain: "the SHA-256 known to kpatch-build".to_owned(),
            signer: None,
        }));
        match self.signature(http, &urls) {
            Ok(signature) => proofs.push(signature),
            Err(NoSignature::Interrupted(interrupted)) => return Err(interrupted.into()),
            Err(NoSignature::Because(reason)) if proofs.is_empty() && !accept_unverified => {
                let reason = format!("it cannot be verified: {reason}");
                return Ok(Err(Refusal::Unverifiable(candidate.failed(reason))));
            }
            Err(NoSignature::Because(_)) => {}
        }
        let sha256 = pin.map(str::to_owned).or_else(|| candidate.sha256.clone());
        Ok(Ok(Offer {
            origin: Origin::KernelOrg,
            release: candidate.release,
            url: urls[0].clone(),
            location: Location::Remote { urls, sha256, bytes: None },
            proofs,
            accept_unverified,
            caveat: None,
        }))
    }

    fn signature(&self, http: &Http, urls: &[String]) -> Result<Proof, NoSignature> {
        let mut reason = String::new();
        for url in urls {
            let address = format!("{}.sign", url.trim_end_matches(".xz"));
            match http.get(&address, SIGNATURE_LIMIT) {
                Ok(document) => {
                    let certificates = match self.keys.certificates(http, &self.keys.pins.releases) {
                        Ok(certificates) => certificates,
                        Err(KeysMissing::Interrupted(interrupted)) => return Err(interrupted.into()),
                        Err(missing) => return Err(NoSignature::Because(missing.to_string())),
                    };
                    return Ok(Proof::Signature { document, certificates });
                }
                Err(http::Error::Interrupted(interrupted)) => return Err(interrupted.into()),
                Err(error) => reason = format!("no signature: {error}"),
            }
        }
        Err(NoSignature::Because(reason))
    }
}

/// Why a directory cannot be listed.
enum ListError {
    /// No mirror has the directory.
    Absent,
    Unusable(String),
    Store(store::Error),
    Interrupted(Interrupted),
}

impl From<store::Error> for ListError {
    fn from(error: store::Error) -> ListError {
        ListError::Store(error)
    }
}

impl From<Interrupted> for ListError {
    fn from(interrupted: Interrupted) -> ListError {
        ListError::Interrupted(interrupted)
    }
}

/// Why an archive has no signature that can be checked.
enum NoSignature {
    Because(String),
    Interrupted(Interrupted),
}

impl From<Interrupted> for NoSignature {
    fn from(interrupted: Interrupted) -> NoSignature {
        NoSignature::Interrupted(interrupted)
    }
}

/// The major versions whose directory may have the release, the newest one first.
fn majors(wanted: &ReleaseSpec) -> Vec<u32> {
    match wanted {
        ReleaseSpec::Exact(release) => vec![release.major],
        ReleaseSpec::Newest(line) => vec![line.major],
        // One more than the newest known major: a major version lasts for about twenty releases.
        ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => {
            (Line::SUPPORTED[0].major..=Line::SUPPORTED[5].major + 1).rev().collect()
        }
    }
}

/// A list of checksums.
struct List {
    text: String,
    /// Why it is trusted; `None` without a good signature.
    trust: Option<Trust>,
    /// When it was signed, in seconds since the epoch.
    signed_at: i64,
}

impl List {
    fn untrusted(document: &[u8]) -> List {
        List { text: String::from_utf8_lossy(document).into_owned(), trust: None, signed_at: 0 }
    }

    fn read(signers: &Certificates, document: &[u8]) -> Result<List, SignatureError> {
        let (text, signer) = signers.check_clearsigned(document)?;
        let chain = format!("the checksum list of {NAME} signed by {signer}");
        let signed_at = signer.signed_at;
        Ok(List { text, trust: Some(Trust { chain, signer: signer.fingerprint }), signed_at })
    }
}

/// The newer one of the served list and the one that an earlier run kept in the store, which then has it: a mirror that is
/// behind, or that lies, must not hide releases that were published already. A list signed by an unknown key is used without
/// trust if the store has none.
fn newest(
    cx: &Context,
    major: u32,
    signers: &Certificates,
    served: Option<Vec<u8>>,
) -> Result<List, ListError> {
    let seen = Seen::open(cx, &Key::of("kernel-org-list", &major), "sha256sums.asc")?;
    let stored = seen.document().and_then(|document| List::read(signers, &document).ok());
    let note = |why: &str| {
        cx.events.note(Stage::Fetch, format!("{NAME} (v{major}.x): {why}; using the list of an earlier run"));
    };
    match (served, stored) {
        (None, None) => Err(ListError::Absent),
        (None, Some(stored)) => {
            note("the mirror no longer has a checksum list");
            Ok(stored)
        }
        (Some(document), stored) => match (List::read(signers, &document), stored) {
            (Ok(list), Some(stored)) if stored.signed_at > list.signed_at => {
                note("the mirror's checksum list is older than one that was seen before");
                Ok(stored)
            }
            (Ok(list), _) => {
                seen.keep(&document)?;
                Ok(list)
            }
            (Err(SignatureError::NoTrustedSigner { .. }), Some(stored)) => {
                note("an unknown key signed the mirror's checksum list");
                Ok(stored)
            }
            (Err(SignatureError::NoTrustedSigner { .. }), None) => {
                let text = format!(
                    "an unknown key signed the checksum list v{major}.x of {NAME}: it proves nothing"
                );
                cx.events.note(Stage::Fetch, text);
                Ok(List::untrusted(&document))
            }
            (Err(error), _) => Err(ListError::Unusable(format!("its checksum list is not trusted: {error}"))),
        },
    }
}

/// Parses lines of the form `<SHA-256>  linux-6.1.187.tar.xz`.
fn listed(text: &str) -> impl Iterator<Item = (Release, String)> {
    text.lines().filter_map(|line| {
        let (sha256, file) = line.split_once("  ")?;
        let release = file.trim().strip_prefix("linux-")?.strip_suffix(".tar.xz")?.parse().ok()?;
        Some((release, parse_sha256(sha256)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_release_archives_are_read_from_the_list() {
        let sum = "0".repeat(64);
        let text = format!(
            "{sum}  linux-6.1.187.tar.xz\n{sum}  linux-6.1.187.tar.gz\n{sum}  patch-6.1.xz\nx  linux-6.2.tar.xz\n"
        );
        let found: Vec<_> = listed(&text).map(|(release, _)| release.to_string()).collect();
        assert_eq!(found, ["6.1.187"]);
    }

    #[test]
    fn the_directory_of_the_newest_major_comes_first() {
        assert_eq!(majors(&"5.12".parse().unwrap()), [5]);
        assert_eq!(majors(&ReleaseSpec::Latest), [8, 7, 6, 5]);
    }
}
