//! Generations: each run writes a whole new set of indexes beside the older ones, and the link that
//! clients follow is set from one to the next in a single step.
//!
//! The last generations stay, and the newest holds their indexes under names by checksum too, so that
//! a client that read the signed list before the step still gets everything that it names.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::error::Error;

const FOLDER: &str = "generations";
const RECORD: &str = "generation.json";
/// Begins the name of what is not complete yet; a run that was killed leaves it, the next one takes it away.
const UNFINISHED: &str = ".unfinished-";

/// One of the two repositories: a folder of packages, the generations, and the link to one of them.
#[derive(Debug)]
pub struct Half {
    pub root: PathBuf,
    /// Below `root`.
    link: &'static str,
    /// Below `root`.
    pool: &'static str,
    /// Newest first; the first one is what clients see.
    published: Vec<(u64, Record)>,
}

/// What a generation has that must stay while it may be in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since the epoch.
    pub date: i64,
    /// Paths below the generation that have a checksum in their name.
    indexes: BTreeSet<String>,
    /// Paths below the half's root.
    packages: BTreeSet<String>,
}

impl Half {
    pub fn open(root: PathBuf, link: &'static str, pool: &'static str) -> Result<Half, Error> {
        let mut half = Half { root, link, pool, published: Vec::new() };
        let generations = half.root.join(FOLDER);
        let current = fs::read_link(half.root.join(link)).ok().and_then(|target| number(&target));
        for entry in generations.read_dir().into_iter().flatten() {
            let path = entry.map_err(Error::io("list", &generations))?.path();
            // Later ones were never published.
            if let Some(number) =
                number(&path).filter(|number| current.is_some_and(|current| *number <= current))
            {
                let file = path.join(RECORD);
                let text = fs::read(&file).map_err(Error::io("read", &file))?;
                let record =
                    serde_json::from_slice(&text).map_err(|source| Error::Record { path: file, source })?;
                half.published.push((number, record));
            }
        }
        half.published.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(half)
    }

    pub fn exists(&self) -> bool {
        !self.published.is_empty()
    }

    /// When what clients see was made.
    pub fn date(&self) -> Option<i64> {
        self.published.first().map(|(_, record)| record.date)
    }

    /// A generation to be filled and published.
    pub fn begin(&self, date: i64) -> Result<Draft<'_>, Error> {
        let generations = self.root.join(FOLDER);
        fs::create_dir_all(&generations).map_err(Error::io("create", &generations))?;
        self.sweep(self.published.len())?;
        let link = self.root.join(self.link);
        remove_unfinished(link.parent().expect("it is below the half's root"))?;
        let made = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(&generations);
        let folder = made.map_err(Error::io("write in", &generations))?;
        let record = Record { date, indexes: BTreeSet::new(), packages: BTreeSet::new() };
        Ok(Draft { half: self, folder, record })
    }

    /// Removes every generation but the first `keep`, and the packages that none of those has.
    fn sweep(&self, keep: usize) -> Result<(), Error> {
        let kept = &self.published[..keep.min(self.published.len())];
        let generations = self.root.join(FOLDER);
        for entry in generations.read_dir().map_err(Error::io("list", &generations))? {
            let path = entry.map_err(Error::io("list", &generations))?.path();
            if !kept.iter().any(|(kept, _)| number(&path) == Some(*kept)) {
                fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
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

fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Removes what is below `folder` and not among `wanted`, and folders that are empty then.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for entry in folder.read_dir().map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let path = entry.path();
        if entry.file_type().map_err(Error::io("examine", &path))?.is_dir() {
            remove_others(&path, wanted)?;
            // Only an empty one goes.
            let _ = fs::remove_dir(&path);
        } else if !wanted.contains(&path) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Removes what a killed run left of a file in `folder`.
pub fn remove_unfinished(folder: &Path) -> Result<(), Error> {
    for entry in folder.read_dir().into_iter().flatten() {
        let entry = entry.map_err(Error::io("list", folder))?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            fs::remove_file(entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// A generation that no client sees yet.
pub struct Draft<'a> {
    half: &'a Half,
    folder: TempDir,
    record: Record,
}

impl Draft<'_> {
    /// Writes a file of this generation alone.
    pub fn file(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.folder.path().join(path);
        make_parent(&path)?;
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(Error::io("write", &path))
    }

    /// Writes an index that later generations have too: its name says what is in it.
    pub fn index(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.record.indexes.insert(path.to_owned());
        self.file(path, content)
    }

    /// Notes a package of the pool, by its path below the half's root.
    pub fn package(&mut self, path: &str) {
        self.record.packages.insert(path.to_owned());
    }

    /// Makes this what clients see. The last `keep` generations stay, this one among them; its number.
    pub fn publish(self, keep: usize) -> Result<u64, Error> {
        let half = self.half;
        for (older, record) in half.published.iter().take(keep - 1) {
            let from = half.root.join(FOLDER).join(older.to_string());
            for index in &record.indexes {
                link_or_copy(&from.join(index), &self.folder.path().join(index))?;
            }
        }
        let text = serde_json::to_vec_pretty(&self.record).expect("paths are text");
        self.file(RECORD, &text)?;
        sync_folders(self.folder.path())?;
        let number = half.published.first().map_or(1, |(newest, _)| newest + 1);
        let place = half.root.join(FOLDER).join(number.to_string());
        let folder = self.folder.keep();
        fs::rename(&folder, &place).map_err(Error::io("write", &place))?;
        let link = half.root.join(half.link);
        set_link(&link, half.link.matches('/').count(), number).map_err(Error::io("write", &link))?;

        let published =
            std::iter::once((number, self.record)).chain(half.published.iter().cloned()).collect();
        let half = Half { root: half.root.clone(), link: half.link, pool: half.pool, published };
        half.sweep(keep)?;
        Ok(number)
    }
}

/// The step: a link of another name takes the place of the link.
fn set_link(link: &Path, depth: usize, number: u64) -> io::Result<()> {
    let folder = link.parent().expect("it is below the half's root");
    fs::create_dir_all(folder)?;
    let target = format!("{}{FOLDER}/{number}", "../".repeat(depth));
    let made = tempfile::Builder::new().prefix(UNFINISHED).make_in(folder, |path| symlink(&target, path))?;
    made.into_temp_path().persist(link).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

pub fn make_parent(path: &Path) -> Result<(), Error> {
    let folder = path.parent().expect("it is below a folder");
    fs::create_dir_all(folder).map_err(Error::io("create", folder))
}

/// Gives a file a second name; a copy where the file system, or the file's owner, allows no other.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<(), Error> {
    make_parent(to)?;
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => copy(from, to),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut source = File::open(from).map_err(Error::io("read", from))?;
    place(to, |file| io::copy(&mut source, file).map(drop).map_err(Error::io("write", to)))
}

/// Writes a file that has its name only when it is complete.
pub fn place(path: &Path, fill: impl FnOnce(&mut File) -> Result<(), Error>) -> Result<(), Error> {
    make_parent(path)?;
    let folder = path.parent().expect("it is below a folder");
    let made = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder);
    let mut file = made.map_err(Error::io("write in", folder))?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all().map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

fn sync_folders(folder: &Path) -> Result<(), Error> {
    for entry in folder.read_dir().map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("write", folder))
}
