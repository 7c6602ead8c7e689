//! Repo: a signed apt repository and a signed dnf repository of the packages of a folder.
//!
//! Both are below one folder: packages in a pool, indexes in generations ([`generation`]). Until the
//! one step that publishes a generation, clients see the earlier one, and so they do for ever when
//! the run is killed.

mod apt;
mod client;
mod control;
mod dnf;
mod error;
mod found;
mod generation;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::openpgp::sign::SigningKey;
use crate::base::stop::Stop;

pub use client::PLACEHOLDER;
pub use error::Error;

/// Says that a folder is a repository of this tool's; locked while a run writes there.
const MARK: &str = ".kpatch-build-repository";

/// What is to be published, and where.
#[derive(Debug)]
pub struct Order {
    /// Searched for packages, with its folders.
    pub dir: PathBuf,
    pub out: PathBuf,
    pub key: SigningKey,
    /// Where clients will find `out`.
    pub address: String,
    /// Generations that stay, the new one among them; at least 1.
    pub keep: usize,
    /// Of the repository, seconds since the epoch.
    pub date: i64,
}

/// What both halves need to make a generation.
struct Release<'a> {
    key: &'a SigningKey,
    keep: usize,
    date: i64,
    stop: &'a Stop,
}

/// What was published.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    pub path: PathBuf,
    pub packages: usize,
    pub generation: u64,
}

/// Publishes every package in and below the folder, and no others.
///
/// A repository is made for each format that the folder has; one that exists is emptied when the folder
/// has none of its format.
pub fn publish(order: &Order, stop: &Stop) -> Result<Vec<Published>, Error> {
    client::check(&order.address)?;
    check_ours(&order.out)?;
    // A folder that is not there yet has no packages either.
    let out = order.out.canonicalize().unwrap_or_default();
    let found = found::read(&order.dir, &out, stop)?;

    let _lock = lock(&order.out, stop)?;
    let (apt, dnf) = (apt::half(order.out.join("apt"))?, dnf::half(order.out.join("rpm"))?);
    if let Some(published) =
        [&apt, &dnf].iter().filter_map(|half| half.date()).max().filter(|date| *date > order.date)
    {
        return Err(Error::Backwards { published, now: order.date });
    }
    client::write(&order.out, &order.address, &order.key.certificate())?;
    let release = Release { key: &order.key, keep: order.keep, date: order.date, stop };
    let mut published = Vec::new();
    if apt.exists() || !found.debs.is_empty() {
        let generation = apt::publish(&apt, &found.debs, &release)?;
        published.push(Published { path: apt.root.clone(), packages: found.debs.len(), generation });
    }
    if dnf.exists() || !found.rpms.is_empty() {
        let generation = dnf::publish(&dnf, &found.rpms, &release)?;
        published.push(Published { path: dnf.root.clone(), packages: found.rpms.len(), generation });
    }
    Ok(published)
}

/// So that a wrong `--out` is not cleaned of everything that no generation has.
fn check_ours(out: &Path) -> Result<(), Error> {
    let not_ours = Error::NotOurs { path: out.to_owned() };
    match out.read_dir() {
        Ok(_) if out.join(MARK).is_file() => Ok(()),
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(not_ours)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Err(not_ours),
        Err(error) => Err(Error::io("list", out)(error)),
    }
}

/// Waits for another run that writes there.
fn lock(out: &Path, stop: &Stop) -> Result<File, Error> {
    fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let path = out.join(MARK);
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if stop.is_set() => return Err(Error::Interrupted),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(100)),
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
        }
    }
}
