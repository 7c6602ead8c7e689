//! Git repositories: the tag of the release, or what the user names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use git2::{
    AutotagOption, Direction, FetchOptions, ObjectType, Oid, ProxyOptions, RemoteCallbacks, Repository,
};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::http::waited;
use crate::base::cache_key::hex;
use crate::base::context::Context;
use crate::base::events::{Stage, Unit};
use crate::base::release::Release;
use crate::base::stop::Stop;
use crate::base::store::{Entry, Room};
use crate::kernel::version::Version;

/// Longest time without a single new object.
const SILENCE: Duration = Duration::from_secs(60);
/// The name under which the wanted commit is kept in the store's repository.
const KEPT: &str = "refs/kpatch-build/wanted";

/// A commit that can be read.
#[derive(Debug)]
pub struct Checkout {
    /// A repository of the user's, or the store's copy of a remote one.
    pub repository: PathBuf,
    /// The tag object or commit that the reference named.
    pub object: Oid,
    pub reference: String,
    /// Held so that no other run changes the store's copy meanwhile.
    _lease: Option<Entry>,
}

/// Whether the address is a path on this host: read in place, nothing is copied.
fn local(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let remote = path.contains("://") || (path.contains(':') && !Path::new(path).exists());
    (!remote).then(|| PathBuf::from(path))
}

fn error(url: &str) -> impl Fn(git2::Error) -> Error {
    let url = url.to_owned();
    move |source| Error::Git { url: url.clone(), source }
}

/// The releases that the repository has tags of.
pub fn releases(cx: &Context, url: &str) -> Result<Vec<Release>, Error> {
    let names = match local(url) {
        Some(path) => local_tags(&path).map_err(error(url))?,
        None if cx.offline => return Err(Error::Offline { what: url.to_owned() }),
        None => {
            let address = url.to_owned();
            let listing = waited(&cx.stop, move || remote_references(&address));
            listing.ok_or(Error::Interrupted)?.map_err(error(url))?
        }
    };
    let release = |name: &String| name.strip_prefix("refs/tags/v")?.parse().ok();
    Ok(names.iter().filter_map(release).collect())
}

fn local_tags(path: &Path) -> Result<Vec<String>, git2::Error> {
    let repository = Repository::open(path)?;
    let names = repository.tag_names(None)?;
    let names = names.iter().flatten().flatten();
    Ok(names.map(|name| format!("refs/tags/{name}")).collect())
}

fn remote_references(url: &str) -> Result<Vec<String>, git2::Error> {
    let mut remote = git2::Remote::create_detached(url)?;
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    let connection = remote.connect_auth(Direction::Fetch, None, Some(proxy))?;
    Ok(connection.list()?.iter().map(|head| head.name().to_owned()).collect())
}

/// Makes the reference's commit readable: in place, or fetched into the store.
pub fn obtain(cx: &Context, url: &str, reference: &str) -> Result<Checkout, Error> {
    if let Some(path) = local(url) {
        let repository = Repository::open(&path).map_err(error(url))?;
        let object = resolve(&repository, reference)
            .ok_or_else(|| Error::NoReference { url: url.to_owned(), reference: reference.to_owned() })?;
        return Ok(Checkout { repository: path, object, reference: reference.to_owned(), _lease: None });
    }
    // One small repository for each (address, reference): a shallow one cannot serve two.
    let key = format!("git-{}", hex(&Sha256::digest(format!("{url}#{reference}"))));
    let lease = cx.lease(Stage::Fetch, Room::Partial, &key)?;
    let path = lease.path().join("repository");
    let kept = kept_object(&path);
    // A tag is not supposed to move; what else a reference names may have.
    let object = match kept.filter(|_| cx.offline || is_release_tag(reference)) {
        Some(object) => object,
        None if cx.offline => return Err(Error::Offline { what: format!("{reference} of {url}") }),
        None => fetch(cx, url, reference, &path)?,
    };
    Ok(Checkout { repository: path, object, reference: reference.to_owned(), _lease: Some(lease) })
}

fn is_release_tag(reference: &str) -> bool {
    reference.strip_prefix('v').is_some_and(|release| release.parse::<Release>().is_ok())
}

fn kept_object(path: &Path) -> Option<Oid> {
    Repository::open_bare(path).ok()?.refname_to_id(KEPT).ok()
}

/// As a tag, a branch, or any commit expression.
fn resolve(repository: &Repository, reference: &str) -> Option<Oid> {
    for name in [format!("refs/tags/{reference}"), format!("refs/heads/{reference}")] {
        if let Ok(object) = repository.refname_to_id(&name) {
            return Some(object);
        }
    }
    repository.revparse_single(reference).ok().map(|object| object.id())
}

fn fetch(cx: &Context, url: &str, reference: &str, path: &Path) -> Result<Oid, Error> {
    let address = url.to_owned();
    let heads = waited(&cx.stop, move || remote_references(&address));
    let heads = heads.ok_or(Error::Interrupted)?.map_err(error(url))?;
    let named = [format!("refs/tags/{reference}"), format!("refs/heads/{reference}"), reference.to_owned()];
    let is_commit = reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wanted = match named.into_iter().find(|name| heads.contains(name)) {
        Some(name) => name,
        // Servers may allow what no reference names.
        None if is_commit => reference.to_owned(),
        None => {
            return Err(Error::NoReference { url: url.to_owned(), reference: reference.to_owned() });
        }
    };
    let heard = Heard::default();
    let transfer = {
        let (url, path, heard, events) = (url.to_owned(), path.to_owned(), heard.clone(), cx.events.clone());
        let progress = move |done, total| events.progress(Stage::Fetch, done, Some(total), Unit::Objects);
        move || fetch_shallow(&url, &wanted, &path, &heard, progress)
    };
    match heard.watch(&cx.stop, transfer) {
        Watched::Done(result) => result.map_err(error(url)),
        Watched::Stopped => Err(Error::Interrupted),
        Watched::Silent => Err(Error::GitSilent { url: url.to_owned() }),
    }
}

fn fetch_shallow(
    url: &str,
    wanted: &str,
    path: &Path,
    heard: &Heard,
    progress: impl Fn(u64, u64),
) -> Result<Oid, git2::Error> {
    let repository = Repository::init_bare(path)?;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|stats| {
        progress(stats.received_objects() as u64, stats.total_objects() as u64);
        heard.something()
    });
    callbacks.sideband_progress(|_| heard.something());
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    let mut options = FetchOptions::new();
    options.depth(1).download_tags(AutotagOption::None).proxy_options(proxy).remote_callbacks(callbacks);
    let refspec = format!("+{wanted}:{KEPT}");
    repository.remote_anonymous(url)?.fetch(&[refspec], Some(&mut options), None)?;
    repository.refname_to_id(KEPT)
}

/// When the other side was last heard of, and whether anybody still wants to hear.
#[derive(Clone, Default)]
struct Heard {
    count: Arc<AtomicU64>,
    given_up: Stop,
}

enum Watched<T> {
    Done(T),
    Stopped,
    Silent,
}

impl Heard {
    /// Called for each sign of life; `false` ends the transfer.
    fn something(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed);
        !self.given_up.is_set()
    }

    fn watch<T: Send + 'static>(&self, stop: &Stop, work: impl FnOnce() -> T + Send + 'static) -> Watched<T> {
        let running = std::thread::spawn(work);
        let (mut count, mut since) = (0, Instant::now());
        while !running.is_finished() {
            let now = self.count.load(Ordering::Relaxed);
            if now != count {
                (count, since) = (now, Instant::now());
            }
            let silent = since.elapsed() > SILENCE;
            if stop.is_set() || silent {
                self.given_up.set();
                return if silent { Watched::Silent } else { Watched::Stopped };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Watched::Done(running.join().expect("the transfer does not panic"))
    }
}

impl Checkout {
    pub fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open(&self.repository)
    }

    /// The tag object's text and signature, if the reference is a signed tag.
    pub fn signed_tag(&self) -> Result<Option<SignedTag>, git2::Error> {
        let repository = self.open()?;
        let database = repository.odb()?;
        let raw = database.read(self.object)?;
        if raw.kind() != ObjectType::Tag {
            return Ok(None);
        }
        Ok(SignedTag::split(raw.data()))
    }

    /// The release that the commit's top Makefile names, if it has one.
    pub fn release(&self) -> Result<Option<Release>, git2::Error> {
        let repository = self.open()?;
        let tree = repository.find_commit(self.commit()?)?.tree()?;
        let Some(entry) = tree.get_name("Makefile") else { return Ok(None) };
        let blob = repository.find_blob(entry.id())?;
        Ok(Version::parse(&String::from_utf8_lossy(blob.content())).map(|version| version.release()))
    }

    /// When the tag was made, else the commit; seconds since the epoch.
    pub fn time(&self) -> Result<i64, git2::Error> {
        let repository = self.open()?;
        let tagged = repository.find_tag(self.object).ok();
        let tagged = tagged.and_then(|tag| Some(tag.tagger()?.when().seconds()));
        match tagged {
            Some(seconds) => Ok(seconds),
            None => Ok(repository.find_commit(self.commit()?)?.time().seconds()),
        }
    }

    /// The commit that the reference leads to.
    pub fn commit(&self) -> Result<Oid, git2::Error> {
        let repository = self.open()?;
        Ok(repository.find_object(self.object, None)?.peel_to_commit()?.id())
    }
}

/// A tag as git signs it: everything before the signature is what is signed.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedTag {
    pub text: Vec<u8>,
    pub signature: Vec<u8>,
}

impl SignedTag {
    fn split(raw: &[u8]) -> Option<SignedTag> {
        const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
        // Only at the start of a line; the last one is git's own.
        let start = (0..raw.len())
            .rev()
            .find(|at| raw[*at..].starts_with(BEGIN) && (*at == 0 || raw[at - 1] == b'\n'))?;
        Some(SignedTag { text: raw[..start].to_vec(), signature: raw[start..].to_vec() })
    }

    /// The name that the tag was given when it was signed; a reference can be called anything.
    pub fn name(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.text);
        let header = text.split("\n\n").next()?;
        header.lines().find_map(|line| line.strip_prefix("tag ")).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_split_before_its_signature() {
        let raw = b"object 0\ntype commit\ntag v6.1\n\nLinux 6.1\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n";
        let tag = SignedTag::split(raw).unwrap();
        assert!(tag.text.ends_with(b"Linux 6.1\n") && tag.signature.starts_with(b"-----BEGIN"));
        assert_eq!(tag.name().as_deref(), Some("v6.1"));
        assert_eq!(SignedTag::split(b"tag v6.1\n\nabout -----BEGIN PGP SIGNATURE-----\n"), None);
    }

    #[test]
    fn paths_are_told_from_addresses() {
        for url in ["/srv/linux.git", "../linux", "file:///srv/linux.git", "linux"] {
            assert!(local(url).is_some(), "{url}");
        }
        for url in
            ["https://example.org/linux.git", "git://example.org/linux.git", "git@example.org:linux.git"]
        {
            assert!(local(url).is_none(), "{url}");
        }
    }
}
