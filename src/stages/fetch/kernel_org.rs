//! kernel.org and its mirrors: `/pub/linux/kernel/v6.x/`, as <https://www.kernel.org/signature.html> has it.

use super::catalogue::{Candidate, Catalogue, Vouched};
use super::error::{Error, Tried};
use super::http::{Failure, Http};
use super::keys::{KeySource, KeysMissing};
use super::offer::{Evidence, Location, Offer, Origin};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::openpgp::verify::{Certificates, SignatureError};
use crate::base::release::{Line, Release, ReleaseSpec};

const NAME: &str = "kernel.org";
const DEFAULT_MIRRORS: [&str; 2] = ["https://cdn.kernel.org", "https://www.kernel.org"];
/// The list of v6.x has some 200 kilobytes.
const LIST_LIMIT: u64 = 16 << 20;
const SIGNATURE_LIMIT: u64 = 1 << 20;

/// kernel.org as the request wants it reached.
#[derive(Clone, Debug)]
pub struct KernelOrg {
    /// Base addresses without a slash at the end.
    pub mirrors: Vec<String>,
    pub keys: KeySource,
}

impl KernelOrg {
    pub fn new(mirrors: &[String], mut keys: KeySource) -> KernelOrg {
        let trimmed = mirrors.iter().map(|mirror| mirror.trim_end_matches('/').to_owned());
        let mut mirrors: Vec<String> = trimmed.collect();
        // A mirror may have the keys as well, and it is the one host known to answer.
        let mut directories = mirrors.clone();
        directories.append(&mut keys.directories);
        keys.directories = directories;
        if mirrors.is_empty() {
            mirrors = DEFAULT_MIRRORS.map(str::to_owned).to_vec();
        }
        KernelOrg { mirrors, keys }
    }

    /// What the lists of the folders that `wanted` can be in name.
    pub fn catalogue(
        &self,
        cx: &Context,
        http: &Http,
        wanted: Option<&ReleaseSpec>,
    ) -> Result<Catalogue, Error> {
        let mut signers = None;
        let mut catalogue = Catalogue::default();
        for major in majors(wanted) {
            match self.folder(cx, http, major, &mut signers) {
                Ok(candidates) => catalogue.candidates.extend(candidates),
                Err(Refused::Interrupted) => return Err(Error::Interrupted),
                Err(Refused::NoFolder) => {}
                Err(Refused::Failed(reason)) => {
                    catalogue.add(Catalogue::failed(NAME, reason));
                    break;
                }
            }
        }
        if let Some(ReleaseSpec::Exact(release)) = wanted {
            self.add_unlisted(release, &mut catalogue);
        }
        Ok(catalogue)
    }

    fn folder(
        &self,
        cx: &Context,
        http: &Http,
        major: u32,
        signers: &mut Option<Result<Certificates, KeysMissing>>,
    ) -> Result<Vec<Candidate>, Refused> {
        let path = format!("/pub/linux/kernel/v{major}.x");
        let list = self.first(http, &format!("{path}/sha256sums.asc"), LIST_LIMIT)?;
        let signers = signers.get_or_insert_with(|| self.keys.certificates(http, &self.keys.pins.checksums));
        let (text, vouched) = match signers {
            Err(KeysMissing::Interrupted) => return Err(Refused::Interrupted),
            Err(missing) => {
                let text = format!("the checksum list of {NAME} is used as a list only: {missing}");
                cx.events.note(Stage::Fetch, text);
                (String::from_utf8_lossy(&list).into_owned(), None)
            }
            Ok(signers) => trusted_text(signers, &list)?,
        };
        let candidates = listed(&text).map(|(release, sha256)| Candidate {
            origin: Origin::KernelOrg,
            release,
            listed_by: format!("v{major}.x"),
            urls: self.addresses(&release),
            sha256: Some(sha256),
            bytes: None,
            vouched: vouched.clone(),
            caveat: None,
        });
        Ok(candidates.collect())
    }

    /// From the first mirror that has it.
    fn first(&self, http: &Http, path: &str, limit: u64) -> Result<Vec<u8>, Refused> {
        let mut absent = false;
        let mut reason = String::new();
        for mirror in &self.mirrors {
            match http.get(&format!("{mirror}{path}"), limit) {
                Ok(bytes) => return Ok(bytes),
                Err(Failure::Interrupted) => return Err(Refused::Interrupted),
                Err(failure) if failure.is_absent() => absent = true,
                Err(failure) => reason = failure.to_string(),
            }
        }
        Err(if absent { Refused::NoFolder } else { Refused::Failed(reason) })
    }

    fn addresses(&self, release: &Release) -> Vec<String> {
        let path = format!("/pub/linux/kernel/v{}.x/linux-{release}.tar.xz", release.major);
        self.mirrors.iter().map(|mirror| format!("{mirror}{path}")).collect()
    }

    /// A mirror without the list may still have the release with its signature.
    fn add_unlisted(&self, release: &Release, catalogue: &mut Catalogue) {
        if catalogue.candidates.iter().any(|candidate| candidate.release == *release) {
            return;
        }
        if release.candidate.is_some() {
            let reason = "release candidates are not published there as signed archives";
            catalogue.tried = Catalogue::failed(NAME, reason).tried;
        } else if !catalogue.candidates.is_empty() {
            let reason = format!("it is not in /pub/linux/kernel/v{}.x", release.major);
            catalogue.add(Catalogue::failed(NAME, reason));
        } else if catalogue.tried.is_empty() {
            catalogue.candidates.push(Candidate {
                origin: Origin::KernelOrg,
                release: *release,
                listed_by: format!("v{}.x", release.major),
                urls: self.addresses(release),
                sha256: None,
                bytes: None,
                vouched: None,
                caveat: None,
            });
        }
    }

    /// The candidate with its evidence, from a mirror that delivers it; else why not.
    pub fn offer(
        &self,
        http: &Http,
        candidate: &Candidate,
        accept_unverified: bool,
    ) -> Result<Result<Offer, Tried>, Error> {
        let refuse = |reason: String| Ok(Err(Tried { source: candidate.source(), reason }));
        let urls = match delivering(http, &candidate.urls) {
            Ok(urls) => urls,
            Err(Failure::Interrupted) => return Err(Error::Interrupted),
            Err(failure) => {
                return refuse(format!("{} is not delivered: {}", candidate.release, failure.short()));
            }
        };
        let mut evidence: Vec<_> = candidate.checksum().into_iter().collect();
        let pin = self.keys.pins.tarball(&candidate.release);
        evidence.extend(pin.map(|sha256| Evidence::Checksum {
            sha256: sha256.to_owned(),
            chain: "the SHA-256 known to kpatch-build".to_owned(),
            signer: None,
        }));
        match self.signature(http, &urls) {
            Ok(signature) => evidence.push(signature),
            Err(Unsigned::Interrupted) => return Err(Error::Interrupted),
            Err(Unsigned::Because(why)) if evidence.is_empty() && !accept_unverified => {
                return refuse(format!("it cannot be verified: {why}"));
            }
            Err(Unsigned::Because(_)) => {}
        }
        let sha256 = pin.map(str::to_owned).or_else(|| candidate.sha256.clone());
        Ok(Ok(Offer {
            origin: Origin::KernelOrg,
            release: candidate.release,
            url: urls[0].clone(),
            location: Location::Remote { urls, sha256, bytes: None },
            evidence,
            accept_unverified,
        }))
    }

    fn signature(&self, http: &Http, urls: &[String]) -> Result<Evidence, Unsigned> {
        let mut why = String::new();
        for url in urls {
            let address = format!("{}.sign", url.trim_end_matches(".xz"));
            match http.get(&address, SIGNATURE_LIMIT) {
                Ok(document) => {
                    let certificates = match self.keys.certificates(http, &self.keys.pins.releases) {
                        Ok(certificates) => certificates,
                        Err(KeysMissing::Interrupted) => return Err(Unsigned::Interrupted),
                        Err(missing) => return Err(Unsigned::Because(missing.to_string())),
                    };
                    return Ok(Evidence::Signature { document, certificates });
                }
                Err(Failure::Interrupted) => return Err(Unsigned::Interrupted),
                Err(failure) => why = format!("no signature: {failure}"),
            }
        }
        Err(Unsigned::Because(why))
    }
}

enum Refused {
    /// No mirror has the folder.
    NoFolder,
    Failed(String),
    Interrupted,
}

enum Unsigned {
    Because(String),
    Interrupted,
}

fn majors(wanted: Option<&ReleaseSpec>) -> Vec<u32> {
    match wanted {
        Some(ReleaseSpec::Exact(release)) => vec![release.major],
        Some(ReleaseSpec::Newest(line)) => vec![line.major],
        // One beyond the newest known: a major number lasts some twenty releases.
        _ => (Line::SUPPORTED[0].major..=Line::SUPPORTED[5].major + 1).rev().collect(),
    }
}

/// The signed part of the list, and by whom. A list signed by somebody else is still a list.
fn trusted_text(signers: &Certificates, list: &[u8]) -> Result<(String, Option<Vouched>), Refused> {
    match signers.check_clearsigned(list) {
        Ok((text, signer)) => {
            let chain = format!("the checksum list of {NAME} signed by {signer}");
            Ok((text, Some(Vouched { chain, signer: Some(signer.fingerprint) })))
        }
        Err(SignatureError::NoTrustedSigner { .. }) => Ok((String::from_utf8_lossy(list).into_owned(), None)),
        Err(error) => Err(Refused::Failed(format!("its checksum list is not to be trusted: {error}"))),
    }
}

/// `<sha256>  linux-6.1.187.tar.xz`
fn listed(text: &str) -> impl Iterator<Item = (Release, String)> {
    text.lines().filter_map(|line| {
        let (sha256, file) = line.split_once("  ")?;
        let release = file.trim().strip_prefix("linux-")?.strip_suffix(".tar.xz")?.parse().ok()?;
        let valid = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| (release, sha256.to_ascii_lowercase()))
    })
}

/// The addresses from the first one on that answers.
pub fn delivering(http: &Http, urls: &[String]) -> Result<Vec<String>, Failure> {
    let mut last = None;
    for (index, url) in urls.iter().enumerate() {
        match http.delivers(url) {
            Ok(()) => return Ok(urls[index..].to_vec()),
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.expect("a candidate has an address"))
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
    fn the_newest_folder_is_looked_at_first() {
        assert_eq!(majors(Some(&"5.12".parse().unwrap())), [5]);
        assert_eq!(majors(Some(&ReleaseSpec::Latest)), [8, 7, 6, 5]);
    }
}
