//! Sources that the user names: a git repository, an archive, a directory.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::Error;
use super::git;
use super::keys::{KeySource, KeysMissing};
use super::offer::{Location, Offer, Origin, Proof};
use super::request::SourceRequest;
use super::source::directory::Directory;
use crate::base::context::Context;
use crate::base::files;
use crate::base::http::{self, Http};
use crate::base::release::{Line, Release, ReleaseSpec};
use crate::kernel::version::Version;

const SIGNATURE_LIMIT: u64 = 1 << 20;

/// Offers the repository's tag of the requested release, or the reference that the user names.
pub(super) fn git(
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
            let revision = git::obtain(cx, url, reference)?;
            let found = revision.release().map_err(|source| Error::Git { url: url.to_owned(), source })?;
            let location = format!("{url}#{reference}");
            let found = found.ok_or_else(|| Error::UnknownRelease { location: location.clone() })?;
            (must_match(wanted, found, &location)?, reference.to_owned())
        }
    };
    Ok(Offer {
        origin: Origin::Git,
        release,
        url: format!("{url}#{reference}"),
        location: Location::Git { url: url.to_owned(), reference, keys },
        proofs: Vec::new(),
        accept_unverified: request.no_verify,
        caveat: None,
    })
}

/// The newest release that `wanted` allows, without candidates and releases that lack io threads.
pub(super) fn newest(releases: &[Release], wanted: &ReleaseSpec) -> Option<Release> {
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

/// Returns `found` unless the request names another release or line.
fn must_match(wanted: &ReleaseSpec, found: Release, location: &str) -> Result<Release, Error> {
    let matches = match wanted {
        ReleaseSpec::Exact(release) => *release == found,
        ReleaseSpec::Newest(line) => *line == found.line(),
        ReleaseSpec::Latest | ReleaseSpec::NewestLongTerm => true,
    };
    let location = location.to_owned();
    if matches { Ok(found) } else { Err(Error::OtherRelease { location, found, wanted: *wanted }) }
}

/// Offers a local source tree, which must be clean.
pub(super) fn directory(cx: &Context, request: &SourceRequest, path: &Path) -> Result<Offer, Error> {
    let not_a_tree = |reason: String| Error::NotATree { path: path.to_owned(), reason };
    let makefile = files::read_text(&path.join("Makefile"))
        .map_err(|error| not_a_tree(format!("cannot read its Makefile ({error})")))?;
    let version =
        Version::parse(&makefile).ok_or_else(|| not_a_tree("its Makefile names no version".to_owned()))?;
    let path = path.canonicalize().map_err(|error| not_a_tree(error.to_string()))?;
    // The leftovers for which kbuild rejects an O= build: "the source tree is not clean".
    for found in [".config", "include/config", "include/generated", "arch/x86/include/generated"] {
        if path.join(found).exists() {
            return Err(Error::NotClean { path, found: found.to_owned() });
        }
    }
    let url = path.display().to_string();
    let written = request.outputs.iter().map(PathBuf::as_path).chain([cx.store.root()]);
    let left_out = written_below(&path, written)?;
    Ok(Offer {
        origin: Origin::Directory,
        release: must_match(&request.release, version.release(), &url)?,
        url,
        location: Location::Directory(Directory { path, left_out }),
        proofs: Vec::new(),
        accept_unverified: request.no_verify,
        caveat: None,
    })
}

/// Those of the directories `written` that are below `source`, relative to it.
///
/// # Errors
/// [`Error::OutputInSource`] if one of them is the source itself or a part of the kernel.
fn written_below<'w>(source: &Path, written: impl Iterator<Item = &'w Path>) -> Result<Vec<PathBuf>, Error> {
    let mut below = Vec::new();
    for output in written {
        let output = fs::canonicalize(output).or_else(|_| std::path::absolute(output))?;
        let Ok(relative) = output.strip_prefix(source) else { continue };
        let is_kernel = ["Makefile", "Kbuild", "Kconfig"].iter().any(|file| output.join(file).exists());
        if relative.as_os_str().is_empty() || is_kernel {
            return Err(Error::OutputInSource { path: source.to_owned(), output });
        }
        below.push(relative.to_owned());
    }
    Ok(below)
}

/// Offers an archive with its proof: the user's checksum, or the signature in the same directory.
pub(super) fn tarball(
    cx: &Context,
    http: &Http,
    request: &SourceRequest,
    location: &str,
    sha256: Option<&str>,
    keys: &KeySource,
) -> Result<Offer, Error> {
    // Every later message would be about a missing release, signature or checksum.
    if !is_remote(location) {
        let opened = fs::File::open(location)?;
        if !opened.metadata()?.is_file() {
            return Err(Error::NotAnArchive { path: location.into() });
        }
    }
    let release = match request.release {
        ReleaseSpec::Exact(release) => release,
        wanted => {
            let unknown = || Error::UnknownRelease { location: location.to_owned() };
            must_match(&wanted, release_in_name(location).ok_or_else(unknown)?, location)?
        }
    };
    let proof = match sha256 {
        Some(sha256) => Ok(Proof::Checksum {
            sha256: sha256.to_owned(),
            chain: "the SHA-256 given with --source".to_owned(),
            signer: None,
        }),
        None => signature(cx, http, location, keys)?,
    };
    let proofs = match proof {
        Ok(proof) => vec![proof],
        Err(_) if request.no_verify => Vec::new(),
        Err(reason) => return Err(Error::Unverifiable { url: location.to_owned(), reason }),
    };
    let (location, url) = locate(location, sha256)?;
    let accept_unverified = request.no_verify;
    Ok(Offer { origin: Origin::Tarball, release, url, location, proofs, accept_unverified, caveat: None })
}

/// Where the archive is, and its address or absolute path.
fn locate(location: &str, sha256: Option<&str>) -> Result<(Location, String), Error> {
    let sha256 = sha256.map(str::to_owned);
    if is_remote(location) {
        let urls = vec![location.to_owned()];
        return Ok((Location::Remote { urls, sha256, bytes: None }, location.to_owned()));
    }
    let path = fs::canonicalize(location)?;
    let url = path.display().to_string();
    Ok((Location::File { path, sha256 }, url))
}

fn is_remote(location: &str) -> bool {
    location.starts_with("http://") || location.starts_with("https://")
}

/// The signature in the directory of the archive, or the reason why it cannot be used.
fn signature(
    cx: &Context,
    http: &Http,
    location: &str,
    keys: &KeySource,
) -> Result<Result<Proof, String>, Error> {
    let name = signature_name(location);
    let document = match is_remote(location) {
        true if cx.offline => return Err(Error::Offline { what: location.to_owned() }),
        true => match http.get(&name, SIGNATURE_LIMIT) {
            Err(http::Error::Interrupted(interrupted)) => return Err(interrupted.into()),
            document => document.ok(),
        },
        false => files::read(Path::new(&name), SIGNATURE_LIMIT).ok(),
    };
    let Some(document) = document else { return Ok(Err(format!("{name} does not exist"))) };
    match keys.of_users_source(http) {
        Ok(certificates) => Ok(Ok(Proof::Signature { document, certificates })),
        Err(KeysMissing::Interrupted(interrupted)) => Err(interrupted.into()),
        Err(missing) => Ok(Err(missing.to_string())),
    }
}

/// The signature of an archive: kernel.org signs `linux-6.1.tar.xz` uncompressed, in `linux-6.1.tar.sign`.
fn signature_name(location: &str) -> String {
    let plain = [".xz", ".gz", ".zst"].iter().find_map(|ending| location.strip_suffix(ending));
    format!("{}.sign", plain.unwrap_or(location))
}

/// The release in `linux-6.1.187.tar.xz` or Debian's `linux_6.1.187.orig.tar.xz`.
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
    fn the_name_of_an_archive_contains_its_release() {
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
    fn the_signature_is_named_after_the_uncompressed_archive() {
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
