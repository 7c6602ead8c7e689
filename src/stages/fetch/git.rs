//! Git repositories, local or remote: the tag of the release, or the reference that the user names.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use git2::{AutotagOption, Direction, FetchOptions, Oid, ProxyOptions, RemoteCallbacks, Repository};

use super::error::Error;
use super::source::git_tree::Revision;
use crate::base::context::Context;
use crate::base::digest::sha256;
use crate::base::events::{Stage, Unit};
use crate::base::http::Pace;
use crate::base::interruptible;
use crate::base::release::Release;
use crate::base::stop::{Interrupted, Stop};
use crate::base::store::Bucket;

/// Longest time without activity of the server.
const SILENCE: Duration = Duration::from_secs(60);
/// The reference to the wanted commit in the store's repository.
const KEPT: &str = "refs/kpatch-build/wanted";

/// The path of a repository on this host, which is read in place; `None` for a remote address.
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
pub(super) fn releases(cx: &Context, url: &str) -> Result<Vec<Release>, Error> {
    let names = match local(url) {
        Some(path) => local_tags(&path).map_err(error(url))?,
        None if cx.offline => return Err(Error::Offline { what: url.to_owned() }),
        None => list_remote(&cx.stop, url)?,
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

/// The names of all references of a remote repository.
fn list_remote(stop: &Stop, url: &str) -> Result<Vec<String>, Error> {
    let address = url.to_owned();
    interruptible::run(stop, move || remote_references(&address))?.map_err(error(url))
}

fn remote_references(url: &str) -> Result<Vec<String>, git2::Error> {
    let mut remote = git2::Remote::create_detached(url)?;
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    let connection = remote.connect_auth(Direction::Fetch, None, Some(proxy))?;
    Ok(connection.list()?.iter().map(|head| head.name().to_owned()).collect())
}

/// Makes the reference's commit readable on this host: a remote commit is fetched into the store.
pub(super) fn obtain(cx: &Context, url: &str, reference: &str) -> Result<Revision, Error> {
    if let Some(path) = local(url) {
        let repository = Repository::open(&path).map_err(error(url))?;
        let object = resolve(&repository, reference).ok_or_else(|| no_reference(url, reference))?;
        return Ok(Revision::new(path, object, reference, None));
    }
    // One repository for each address and reference: a shallow one cannot serve two.
    let key = format!("git-{}", sha256(format!("{url}#{reference}")));
    let lease = cx.lease(Stage::Fetch, Bucket::Partial, &key)?;
    let path = lease.path().join("repository");
    let kept = kept_object(&path);
    // A release tag never moves; any other reference may have moved since it was fetched.
    let object = match kept.filter(|_| cx.offline || is_release_tag(reference)) {
        Some(object) => object,
        None if cx.offline => return Err(Error::Offline { what: format!("{reference} of {url}") }),
        None => fetch(cx, url, reference, &path)?,
    };
    Ok(Revision::new(path, object, reference, Some(lease)))
}

fn no_reference(url: &str, reference: &str) -> Error {
    Error::NoReference { url: url.to_owned(), reference: reference.to_owned() }
}

fn is_release_tag(reference: &str) -> bool {
    reference.strip_prefix('v').is_some_and(|release| release.parse::<Release>().is_ok())
}

fn kept_object(path: &Path) -> Option<Oid> {
    Repository::open_bare(path).ok()?.refname_to_id(KEPT).ok()
}

/// Looks `reference` up as a tag, a branch, or any expression of gitrevisions(7).
fn resolve(repository: &Repository, reference: &str) -> Option<Oid> {
    for name in [format!("refs/tags/{reference}"), format!("refs/heads/{reference}")] {
        if let Ok(object) = repository.refname_to_id(&name) {
            return Some(object);
        }
    }
    repository.revparse_single(reference).ok().map(|object| object.id())
}

fn fetch(cx: &Context, url: &str, reference: &str, path: &Path) -> Result<Oid, Error> {
    let heads = list_remote(&cx.stop, url)?;
    let named = [format!("refs/tags/{reference}"), format!("refs/heads/{reference}"), reference.to_owned()];
    let is_commit = reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wanted = match named.into_iter().find(|name| heads.contains(name)) {
        Some(name) => name,
        // Some servers allow fetching a commit that no reference names.
        None if is_commit => reference.to_owned(),
        None => return Err(no_reference(url, reference)),
    };
    let activity = Activity::default();
    let transfer = {
        let (url, path, activity) = (url.to_owned(), path.to_owned(), activity.clone());
        let events = cx.events.clone();
        let progress = move |done, total| events.progress(Stage::Fetch, done, Some(total), Unit::Objects);
        move || fetch_shallow(&url, &wanted, &path, &activity, progress)
    };
    match activity.supervise(&cx.stop, transfer) {
        Supervised::Done(result) => match activity.reason() {
            Some(why) => Err(Error::GitEndless { url: url.to_owned(), why }),
            None => result.map_err(error(url)),
        },
        Supervised::Stopped => Err(Interrupted.into()),
        Supervised::Silent => Err(Error::GitSilent { url: url.to_owned() }),
    }
}

fn fetch_shallow(
    url: &str,
    wanted: &str,
    path: &Path,
    activity: &Activity,
    progress: impl Fn(u64, u64),
) -> Result<Oid, git2::Error> {
    let repository = Repository::init_bare(path)?;
    let mut callbacks = RemoteCallbacks::new();
    let mut limits = Limits::default();
    callbacks.transfer_progress(|stats| {
        progress(stats.received_objects() as u64, stats.total_objects() as u64);
        match limits.exceeded(stats.received_bytes() as u64) {
            Some(why) => activity.refuse(why),
            None => activity.beat(),
        }
    });
    callbacks.sideband_progress(|_| activity.beat());
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    let mut options = FetchOptions::new();
    options.depth(1).download_tags(AutotagOption::None).proxy_options(proxy).remote_callbacks(callbacks);
    let refspec = format!("+{wanted}:{KEPT}");
    repository.remote_anonymous(url)?.fetch(&[refspec], Some(&mut options), None)?;
    repository.refname_to_id(KEPT)
}

/// The most bytes of a shallow clone. That of Linux 7.2 has about 300 MB.
const MOST_BYTES: u64 = 4 << 30;

/// The limits of what a server may send, and how slowly, before anything of it is verified.
#[derive(Default)]
struct Limits {
    bytes: u64,
    /// From the first byte on: a server may count objects for minutes.
    pace: Option<Pace>,
}

impl Limits {
    /// Why the transfer must end with this number of bytes in all.
    fn exceeded(&mut self, bytes: u64) -> Option<&'static str> {
        let more = bytes.saturating_sub(self.bytes);
        self.bytes = self.bytes.max(bytes);
        if bytes > MOST_BYTES {
            return Some("it sends more than 4 GiB");
        }
        let arriving = bytes > 0 && more > 0;
        let is_slow = arriving && self.pace.get_or_insert_default().is_too_slow(more as usize);
        is_slow.then_some("it sends too slowly")
    }
}

/// The heartbeat of a transfer, and the order to end it.
#[derive(Clone, Default)]
struct Activity {
    beats: Arc<AtomicU64>,
    abandoned: Stop,
    reason: Arc<OnceLock<&'static str>>,
}

/// How a supervised transfer ended.
enum Supervised<T> {
    Done(T),
    Stopped,
    Silent,
}

impl Activity {
    /// Ends the transfer: the server exceeds a limit.
    fn refuse(&self, why: &'static str) -> bool {
        let _ = self.reason.set(why);
        false
    }

    /// The limit that the server exceeded.
    fn reason(&self) -> Option<&'static str> {
        self.reason.get().copied()
    }

    /// Counts a sign of life of the server. Returns whether the transfer may go on.
    fn beat(&self) -> bool {
        self.beats.fetch_add(1, Ordering::Relaxed);
        !self.abandoned.is_set()
    }

    /// Runs `work` in a thread until it ends, a stop is requested, or no beat came for [`SILENCE`].
    fn supervise<T: Send + 'static>(
        &self,
        stop: &Stop,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Supervised<T> {
        let running = std::thread::spawn(work);
        let (mut beats, mut last_beat) = (0, Instant::now());
        while !running.is_finished() {
            let now = self.beats.load(Ordering::Relaxed);
            if now != beats {
                (beats, last_beat) = (now, Instant::now());
            }
            let silent = last_beat.elapsed() > SILENCE;
            if stop.is_set() || silent {
                self.abandoned.set();
                return if silent { Supervised::Silent } else { Supervised::Stopped };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Supervised::Done(running.join().expect("the transfer does not panic"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_without_end_is_given_up() {
        let mut limits = Limits::default();
        assert_eq!([0, 5, 1 << 20, MOST_BYTES].map(|bytes| limits.exceeded(bytes)), [None; 4]);
        assert_eq!(limits.exceeded(MOST_BYTES + 1), Some("it sends more than 4 GiB"));
    }

    #[test]
    fn paths_and_addresses_are_distinguished() {
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
