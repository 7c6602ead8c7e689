//! Generations: each run writes a complete new set of indexes next to the older ones, then atomically
//! switches the link that clients follow.
//!
//! The newest generation also contains the indexes of the kept ones, under names with their checksums: a
//! client that read the signed list before the switch still gets every file on that list.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fs_err::{self as fs, File};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::error::Error;
use crate::base::files;

const GENERATIONS: &str = "generations";
const RECORD: &str = "generation.json";
/// Name prefix of incomplete files; the next run removes those that a killed run left.
const UNFINISHED: &str = ".unfinished-";

/// A repository, apt or dnf: a pool of packages, the generations, and a link to one of them.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) root: PathBuf,
    /// Path of the link, below `root`.
    link: &'static str,
    /// Path of the pool, below `root`.
    pool: &'static str,
    /// Number and record of each generation, newest first; clients see the first one.
    published: Vec<(u64, Record)>,
}

/// The files that a generation needs as long as clients may use it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// Seconds since the epoch.
    date: i64,
    /// Paths of the indexes with a checksum in their name, below the generation.
    indexes: BTreeSet<String>,
    /// Paths of the packages, below the repository's root.
    packages: BTreeSet<String>,
}

impl Repository {
    /// Reads the records of the published generations, if there are any.
    pub(super) fn open(root: PathBuf, link: &'static str, pool: &'static str) -> Result<Repository, Error> {
        let mut repository = Repository { root, link, pool, published: Vec::new() };
        let generations = repository.root.join(GENERATIONS);
        let current = fs::read_link(repository.root.join(link)).ok().and_then(|target| number(&target));
        for entry in fs::read_dir(generations).into_iter().flatten() {
            let path = entry?.path();
            // Later generations were never published.
            if let Some(number) =
                number(&path).filter(|number| current.is_some_and(|current| *number <= current))
            {
                let file = path.join(RECORD);
                let text = fs::read(&file)?;
                let record =
                    serde_json::from_slice(&text).map_err(|source| Error::Record { path: file, source })?;
                repository.published.push((number, record));
            }
        }
        repository.published.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(repository)
    }

    /// Whether a generation was published.
    pub(super) fn exists(&self) -> bool {
        !self.published.is_empty()
    }

    /// Returns the date of the generation that clients see, in seconds since the epoch.
    pub(super) fn date(&self) -> Option<i64> {
        self.published.first().map(|(_, record)| record.date)
    }

    /// Returns an empty generation to fill and publish.
    pub(super) fn begin(&self, date: i64) -> Result<Draft<'_>, Error> {
        let generations = self.root.join(GENERATIONS);
        fs::create_dir_all(&generations)?;
        self.sweep(self.published.len())?;
        let link = self.root.join(self.link);
        remove_unfinished(link.parent().expect("below the repository's root"))?;
        let dir = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(&generations)
            .map_err(|error| files::at("create a directory in", &generations, error))?;
        let record = Record { date, indexes: BTreeSet::new(), packages: BTreeSet::new() };
        Ok(Draft { repository: self, dir, record })
    }

    /// Removes all but the newest `keep` generations, and the packages that none of these lists.
    fn sweep(&self, keep: usize) -> Result<(), Error> {
        let kept = &self.published[..keep.min(self.published.len())];
        let generations = self.root.join(GENERATIONS);
        for entry in fs::read_dir(generations)? {
            let path = entry?.path();
            if !kept.iter().any(|(kept, _)| number(&path) == Some(*kept)) {
                fs::remove_dir_all(&path)?;
            }
        }
        let packages: BTreeSet<_> =
            kept.iter().flat_map(|(_, record)| &record.packages).map(|path| self.root.join(path)).collect();
        match self.root.join(self.pool) {
            pool if pool.is_dir() => remove_others(&pool, &packages),
            _ => Ok(()),
        }
    }
}

/// Returns the number of the generation at `path`.
fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Removes all files below `dir` that are not among `wanted`, and directories that become empty.
fn remove_others(dir: &Path, wanted: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, wanted)?;
            // Fails unless the directory is empty.
            let _ = fs::remove_dir(&path);
        } else if !wanted.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes the incomplete files that a killed run left in `dir`.
pub(super) fn remove_unfinished(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A generation that no client sees yet.
pub(super) struct Draft<'a> {
    repository: &'a Repository,
    dir: TempDir,
    record: Record,
}

impl Draft<'_> {
    /// Writes a file that only this generation has.
    pub(super) fn file(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.dir.path().join(path);
        make_parent(&path)?;
        let mut file = File::create(&path)?;
        file.write_all(content)?;
        Ok(file.sync_all()?)
    }

    /// Writes an index that later generations include too: its name has the checksum of its content.
    pub(super) fn index(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.record.indexes.insert(path.to_owned());
        self.file(path, content)
    }

    /// Records a package of the pool, by its path below the repository's root.
    pub(super) fn package(&mut self, path: &str) {
        self.record.packages.insert(path.to_owned());
    }

    /// Publishes the generation, removes all but the newest `keep` ones, and returns its number.
    pub(super) fn publish(self, keep: usize) -> Result<u64, Error> {
        let repository = self.repository;
        for (older, record) in repository.published.iter().take(keep - 1) {
            let from = repository.root.join(GENERATIONS).join(older.to_string());
            for index in &record.indexes {
                link_or_copy(&from.join(index), &self.dir.path().join(index))?;
            }
        }
        let text = serde_json::to_vec_pretty(&self.record).expect("paths are UTF-8");
        self.file(RECORD, &text)?;
        sync_dirs(self.dir.path())?;
        let number = repository.published.first().map_or(1, |(newest, _)| newest + 1);
        let target = repository.root.join(GENERATIONS).join(number.to_string());
        fs::rename(self.dir.keep(), target)?;
        let link = repository.root.join(repository.link);
        set_link(&link, repository.link.matches('/').count(), number)
            .map_err(|error| files::at("set the link", &link, error))?;

        let published =
            std::iter::once((number, self.record)).chain(repository.published.iter().cloned()).collect();
        let (root, link, pool) = (repository.root.clone(), repository.link, repository.pool);
        Repository { root, link, pool, published }.sweep(keep)?;
        Ok(number)
    }
}

/// Switches the link atomically, by renaming another link to its name.
fn set_link(link: &Path, depth: usize, number: u64) -> io::Result<()> {
    let dir = link.parent().expect("below the repository's root");
    fs::create_dir_all(dir)?;
    let target = format!("{}{GENERATIONS}/{number}", "../".repeat(depth));
    let new = tempfile::Builder::new().prefix(UNFINISHED).make_in(dir, |path| symlink(&target, path))?;
    new.into_temp_path().persist(link).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

fn make_parent(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("below a directory"))
}

/// Links a file of the repository under a second name, or copies it if the file system does not allow a link.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), Error> {
    make_parent(to)?;
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => copy(from, to),
        _ => Ok(()),
    }
}

/// Copies a package into the repository. A link would let a later change of the package reach the repository, whose
/// indexes have the checksum of the old content.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut source = File::open(from)?;
    let failed = |error| files::at("write", to, error);
    write_atomically(to, |file| Ok(io::copy(&mut source, file).map(drop).map_err(failed)?))
}

/// Writes a file through `fill`; it gets its name only when it is complete.
pub(super) fn write_atomically(
    path: &Path,
    fill: impl FnOnce(&mut std::fs::File) -> Result<(), Error>,
) -> Result<(), Error> {
    make_parent(path)?;
    let failed = |error| files::at("write", path, error);
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(path.parent().expect("below a directory"))
        .map_err(failed)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Flushes `dir` and the directories below it to the disk.
fn sync_dirs(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_dirs(&path)?;
        }
    }
    Ok(File::open(dir)?.sync_all()?)
}
