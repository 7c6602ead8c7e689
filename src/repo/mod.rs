//! Publishes the packages of a directory as a signed apt repository and a signed dnf repository.
//!
//! Both are below one directory: packages in a pool, indexes in generations. One atomic step publishes a
//! generation; until then, and if the run is killed, clients see the earlier one.

mod apt;
mod client;
mod control;
mod date;
mod dnf;
mod error;
pub(crate) mod found;
mod generation;
mod request;
mod rpm_header;

use std::fs::TryLockError;
use std::path::Path;
use std::time::Duration;

use fs_err::{self as fs, File};

use crate::base::files;
use crate::base::stop::Stop;

pub use client::PLACEHOLDER;
pub use error::Error;
use request::Publication;
pub use request::{PublishRequest, Published};

/// Marks a directory as a repository of this tool; locked while a run writes there.
const MARK: &str = ".kpatch-build-repository";

/// Publishes every package in and below `request.dir`, and only those.
///
/// Creates a repository for each format among the packages. An existing repository without packages of its
/// format becomes empty.
///
/// # Errors
/// [`Error::NotOurs`] if `request.out` contains anything else, [`Error::Differ`] and [`Error::Published`] if two
/// different packages have the same name and version, [`Error::Backwards`] if the published generation is
/// dated after `request.date`. Clients then still see the earlier generation.
pub fn publish(request: &PublishRequest, stop: &Stop) -> Result<Vec<Published>, Error> {
    client::check(&request.address)?;
    check_ours(&request.out)?;
    // A directory that does not exist contains no packages either.
    let out = fs::canonicalize(&request.out).unwrap_or_default();
    let found = found::read(&request.dir, &out, stop)?;

    let _lock = lock(&request.out, stop)?;
    let apt = apt::repository(request.out.join("apt"))?;
    let dnf = dnf::repository(request.out.join("rpm"))?;
    let newest = [&apt, &dnf].iter().filter_map(|repository| repository.date()).max();
    if let Some(published) = newest.filter(|date| *date > request.date) {
        return Err(Error::Backwards { published, now: request.date });
    }
    client::write(&request.out, &request.address, &request.key.certificate())?;
    let publication = Publication { key: &request.key, keep: request.keep, date: request.date, stop };
    let mut published = Vec::new();
    if apt.exists() || !found.debs.is_empty() {
        let generation = apt::publish(&apt, &found.debs, &publication)?;
        published.push(Published { path: apt.root.clone(), packages: found.debs.len(), generation });
    }
    if dnf.exists() || !found.rpms.is_empty() {
        let generation = dnf::publish(&dnf, &found.rpms, &publication)?;
        published.push(Published { path: dnf.root.clone(), packages: found.rpms.len(), generation });
    }
    Ok(published)
}

/// Fails unless `out` is new, empty or a repository, because publishing removes unknown files.
fn check_ours(out: &Path) -> Result<(), Error> {
    let not_ours = Error::NotOurs { path: out.to_owned() };
    match fs::read_dir(out) {
        Ok(_) if out.join(MARK).is_file() => Ok(()),
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(not_ours)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Err(not_ours),
        Err(error) => Err(error.into()),
    }
}

/// Locks the repository, waiting for another run that writes there.
fn lock(out: &Path, stop: &Stop) -> Result<File, Error> {
    fs::create_dir_all(out)?;
    let path = out.join(MARK);
    let file = File::create(&path)?;
    loop {
        match file.file().try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => stop.check()?,
            Err(TryLockError::Error(error)) => return Err(files::at("lock", &path, error).into()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
