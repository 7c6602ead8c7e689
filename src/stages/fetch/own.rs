//! Sources of the user's own: a repository, an archive, a folder.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::http::{Failure, Http};
use super::keys::{KeySource, KeysMissing};
use super::offer::{Evidence, Location, Offer, Origin};
use super::{SourceRequest, git};
use crate::base::context::Context;
use crate::base::release::{Line, Release, ReleaseSpec};
use crate::kernel::version::Version;

const SIGNATURE_LIMIT: u64 = 1 << 20;

/// The repository's tag or reference that answers the request.
pub fn git(
    cx: &Context,
    request: &SourceRequest,
    url: &str,
    reference: Option<&str>,
    keys: KeySource,
) -> Result<Offer, Error> {
    let (release, reference) = match (&request.release, reference) {
        (ReleaseSpec::Exact(release), Some(reference)) => (*release, reference.to_owned()),
        (ReleaseSpec::Exact(release), None) => (*release, format!("v{release}")),
        (wanted, None) => {
            let release = newest(&git::releases(cx, url)?, wanted).ok_or_else(|| Error::NoReference {
                url: url.to_owned(),
                reference: format!("tag of {wanted}"),
            })?;
            (release, format!("v{release}"))
        }
        (wanted, Some(reference)) => {
            let checkout = git::obtain(cx, url, reference)?;
            let found = checkout.release().map_err(|source| Error::Git { url: url.to_owned(), source })?;
            let location = format!("{url}#{reference}");
            let found = found.ok_or_else(|| Error::UnknownRelease { location: location.clone() })?;
            (must_answer(wanted, found, &location)?, reference.to_owned())
        }
    };
    Ok(Offer {
        origin: Origin::Git,
        release,
        url: format!("{url}#{reference}"),
        location: Location::Git { url: url.to_owned(), reference, keys },
        evidence: Vec::new(),
        accept_unverified: request.no_verify,
    })
}

/// The newest release that `wanted` allows, never a candidate and never one without io threads.
pub fn newest(releases: &[Release], wanted: &ReleaseSpec) -> Option<Release> {
    let usable = |release: &&Release| release.candidate.is_none() && release.has_io_threads();
    let of_line = |line: Line| releases.iter().filter(usable).filter(|release| release.line() == line).max();
    match wanted {
        ReleaseSpec::Exact(release) => releases.iter().find(|found| *found == release),
        ReleaseSpec::Newest(line) => of_line(*line),
        ReleaseSpec::Latest => releases.iter().filter(usable).max(),
        ReleaseSpec::NewestLongTerm => Line::LONG_TERM.into_iter().find_map(of_line),
    }
    .copied()
}

/// A tree of the user's own answers every request that does not name another release.
fn must_answer(wanted: &ReleaseSpec, found: Release, location: &str) -> Result<Release, Error> {
    let answers = match wanted {
        ReleaseSpec::Exact(release) => *release == found,
        ReleaseSpec::Newest(line) => *line == found.line(),
        ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => true,
    };
    let location = location.to_owned();
    if answers { Ok(found) } else { Err(Error::OtherRelease { location, found, wanted: *wanted }) }
}

pub fn directory(request: &SourceRequest, path: &Path) -> Result<Offer, Error> {
    let not_a_tree = |reason: String| Error::NotATree { path: path.to_owned(), reason };
    let makefile = std::fs::read(path.join("Makefile"))
        .map_err(|error| not_a_tree(format!("its Makefile cannot be read ({error})")))?;
    let version = Version::parse(&String::from_utf8_lossy(&makefile))
        .ok_or_else(|| not_a_tree("its Makefile names no version".to_owned()))?;
    let path = path.canonicalize().map_err(|error| not_a_tree(error.to_string()))?;
    // What kbuild itself refuses for an O= build ("the source tree is not clean").
    for made in [".config", "include/config", "include/generated", "arch/x86/include/generated"] {
        if path.join(made).exists() {
            return Err(Error::BuiltIn { path, found: made.to_owned() });
        }
    }
    let url = path.display().to_string();
    Ok(Offer {
        origin: Origin::Directory,
        release: must_answer(&request.release, version.release(), &url)?,
        url,
        location: Location::Directory { path },
        evidence: Vec::new(),
        accept_unverified: request.no_verify,
    })
}

/// An archive with what speaks for it: the user's checksum, or a signature that lies beside it.
pub fn tarball(
    cx: &Context,
    http: &Http,
    request: &SourceRequest,
    location: &str,
    sha256: Option<&str>,
    keys: &KeySource,
) -> Result<Offer, Error> {
    let remote = location.starts_with("http://") || location.starts_with("https://");
    let release = match request.release {
        ReleaseSpec::Exact(release) => release,
        wanted => {
            let unknown = || Error::UnknownRelease { location: location.to_owned() };
            must_answer(&wanted, release_in_name(location).ok_or_else(unknown)?, location)?
        }
    };
    let mut evidence = Vec::new();
    evidence.extend(sha256.map(|sha256| Evidence::Checksum {
        sha256: sha256.to_owned(),
        chain: "the SHA-256 given with --source".to_owned(),
        signer: None,
    }));
    if evidence.is_empty() {
        let signature = match remote {
            true if cx.offline => return Err(Error::Offline { what: location.to_owned() }),
            true => remote_signature(http, location)?,
            false => std::fs::read(signature_name(location)).ok(),
        };
        let lacking = match signature.map(|document| signed(http, keys, document)) {
            Some(Ok(signature)) => {
                evidence.push(signature);
                None
            }
            Some(Err(KeysMissing::Interrupted)) => return Err(Error::Interrupted),
            Some(Err(missing)) => Some(missing.to_string()),
            None => Some(format!("there is no {}", signature_name(location))),
        };
        if let Some(why) = lacking.filter(|_| !request.no_verify) {
            return Err(Error::Unverifiable { url: location.to_owned(), why });
        }
    }
    let sha256 = sha256.map(str::to_owned);
    let (location, url) = if remote {
        let urls = vec![location.to_owned()];
        (Location::Remote { urls, sha256, bytes: None }, location.to_owned())
    } else {
        let path = PathBuf::from(location);
        let path = path.canonicalize().map_err(|source| Error::Archive { path, source })?;
        let url = path.display().to_string();
        (Location::File { path, sha256 }, url)
    };
    let accept_unverified = request.no_verify;
    Ok(Offer { origin: Origin::Tarball, release, url, location, evidence, accept_unverified })
}

fn signed(http: &Http, keys: &KeySource, document: Vec<u8>) -> Result<Evidence, KeysMissing> {
    let certificates = keys.certificates(http, &keys.pins.releases)?;
    Ok(Evidence::Signature { document, certificates })
}

fn remote_signature(http: &Http, url: &str) -> Result<Option<Vec<u8>>, Error> {
    match http.get(&signature_name(url), SIGNATURE_LIMIT) {
        Ok(document) => Ok(Some(document)),
        Err(Failure::Interrupted) => Err(Error::Interrupted),
        Err(_) => Ok(None),
    }
}

/// kernel.org signs the uncompressed archive: `linux-6.1.tar.sign` beside `linux-6.1.tar.xz`.
fn signature_name(location: &str) -> String {
    let plain = [".xz", ".gz", ".zst"].iter().find_map(|ending| location.strip_suffix(ending));
    format!("{}.sign", plain.unwrap_or(location))
}

/// `linux-6.1.187.tar.xz` and Debian's `linux_6.1.187.orig.tar.xz`.
fn release_in_name(location: &str) -> Option<Release> {
    let name = location.rsplit('/').next()?;
    let (stem, _) = name.split_once(".tar")?;
    let stem = stem.strip_suffix(".orig").unwrap_or(stem);
    let version = stem.rsplit_once('_').or_else(|| stem.split_once("linux-")).map(|(_, version)| version)?;
    version.replace("~rc", "-rc").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archives_name_tells_its_release() {
        for (name, release) in [
            ("/tmp/linux-6.1.187.tar.xz", Some("6.1.187")),
            ("https://example.org/linux-5.12.tar.gz", Some("5.12")),
            ("linux_6.1.187.orig.tar.xz", Some("6.1.187")),
            ("linux-6.12_6.12.117.orig.tar.xz", Some("6.12.117")),
            ("linux_7.3~rc7.orig.tar.xz", Some("7.3-rc7")),
            ("snapshot.tar.gz", None),
            ("linux-next.tar", None),
        ] {
            let expected = release.map(|text: &str| text.parse().unwrap());
            assert_eq!(release_in_name(name), expected, "{name}");
        }
    }

    #[test]
    fn the_signature_belongs_to_the_uncompressed_archive() {
        assert_eq!(signature_name("x/linux-6.1.tar.xz"), "x/linux-6.1.tar.sign");
        assert_eq!(signature_name("linux-6.1.tar"), "linux-6.1.tar.sign");
    }

    #[test]
    fn candidates_and_releases_without_io_threads_are_never_the_newest() {
        let all: Vec<Release> =
            ["5.10.161", "6.1.9", "6.1.10", "7.3-rc1"].iter().map(|text| text.parse().unwrap()).collect();
        let pick = |text: &str| newest(&all, &text.parse().unwrap()).map(|release| release.to_string());
        assert_eq!(pick("6.1.y").as_deref(), Some("6.1.10"));
        assert_eq!(pick("latest").as_deref(), Some("6.1.10"));
        assert_eq!(pick("5.10.y"), None);
        assert_eq!(pick("7.3.y"), None);
        assert_eq!(newest(&all, &ReleaseSpec::NewestLongTerm).unwrap().to_string(), "6.1.10");
    }
}
