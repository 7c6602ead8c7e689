//! The manifest of a directory: length, time and SHA-256 of every file, by which a later run notices damage.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::digest::hash_file;
use super::files;
use super::stop::{Interrupted, Stop};

/// The files and links below a directory, by their paths relative to it.
///
/// Bytes of a path that are not UTF-8 appear as `\xNN`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest(BTreeMap<String, Item>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Item {
    File {
        bytes: u64,
        /// Seconds and nanoseconds since the epoch.
        modified: (i64, i64),
        sha256: String,
    },
    Link {
        target: String,
    },
}

/// How thoroughly a directory is compared with its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Reads only files whose length or time differs.
    Times,
    /// Reads every file.
    Contents,
}

/// Why a directory cannot be compared: [`Manifest::difference`] tells the two apart.
enum Unread {
    Io(io::Error),
    Interrupted(Interrupted),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        Unread::Io(error)
    }
}

impl From<Interrupted> for Unread {
    fn from(interrupted: Interrupted) -> Unread {
        Unread::Interrupted(interrupted)
    }
}

impl Manifest {
    /// Lists the files below `dir` that `is_listed` accepts by their relative paths, and hashes them. Takes the hash
    /// from `earlier` for a file that has the same length and time there.
    ///
    /// # Errors
    /// A file cannot be read, or `stop` is set meanwhile.
    pub(crate) fn of<E>(
        dir: &Path,
        earlier: &Manifest,
        stop: &Stop,
        is_listed: &dyn Fn(&str) -> bool,
    ) -> Result<Manifest, E>
    where
        E: From<io::Error> + From<Interrupted> + Send,
    {
        let mut found = Vec::new();
        list::<E>(&mut found, dir, "", stop, is_listed)?;
        let mut items = BTreeMap::new();
        let mut unread = Vec::new();
        for (name, path, mut item) in found {
            let known = earlier.0.get(&name).and_then(|known| known.hash_if_equal(&item));
            if let Item::File { sha256, .. } = &mut item {
                match known {
                    Some(known) => known.clone_into(sha256),
                    None => unread.push((name.clone(), path)),
                }
            }
            items.insert(name, item);
        }
        for (name, hash) in hash_all::<E>(&unread, stop)? {
            if let Some(Item::File { sha256, .. }) = items.get_mut(name) {
                *sha256 = hash;
            }
        }
        Ok(Manifest(items))
    }

    /// Reads a manifest; `None` if the file is missing or has another form.
    pub(crate) fn read(path: &Path) -> Option<Manifest> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Replaces the file `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        files::replace(path, &serde_json::to_vec(self)?)
    }

    /// Names the first difference between the manifest and `dir`; `None` if there is none. Looks only at the relative
    /// paths that `is_listed` accepts, and ignores times of files with the same content.
    ///
    /// # Errors
    /// `stop` is set meanwhile. A file that cannot be read is a difference.
    pub(crate) fn difference(
        &self,
        dir: &Path,
        depth: Depth,
        stop: &Stop,
        is_listed: &dyn Fn(&str) -> bool,
    ) -> Result<Option<String>, Interrupted> {
        let nothing = Manifest::default();
        let earlier = if depth == Depth::Times { self } else { &nothing };
        let found = match Manifest::of(dir, earlier, stop, is_listed) {
            Ok(found) => found.0,
            Err(Unread::Io(error)) => return Ok(Some(error.to_string())),
            Err(Unread::Interrupted(interrupted)) => return Err(interrupted),
        };
        for (path, item) in self.0.iter().filter(|(path, _)| is_listed(path)) {
            match found.get(path) {
                None => return Ok(Some(format!("{path} is missing"))),
                Some(other) if !other.has_content_of(item) => {
                    return Ok(Some(format!("{path} differs")));
                }
                Some(_) => {}
            }
        }
        let added = found.keys().find(|path| !self.0.contains_key(*path));
        Ok(added.map(|path| format!("{path} was added")))
    }
}

impl Item {
    fn has_content_of(&self, other: &Item) -> bool {
        match (self, other) {
            (Item::File { bytes, sha256, .. }, Item::File { bytes: length, sha256: hash, .. }) => {
                bytes == length && sha256 == hash
            }
            (one, other) => one == other,
        }
    }

    /// The hash of this file if `other` has the same length and time.
    fn hash_if_equal(&self, other: &Item) -> Option<&str> {
        match (self, other) {
            (Item::File { bytes, modified, sha256 }, Item::File { bytes: length, modified: time, .. }) => {
                (bytes == length && modified == time).then_some(sha256)
            }
            _ => None,
        }
    }
}

/// Adds the files and links below `dir`: relative name, path, and the item without its hash.
fn list<E: From<io::Error> + From<Interrupted>>(
    found: &mut Vec<(String, PathBuf, Item)>,
    dir: &Path,
    prefix: &str,
    stop: &Stop,
    is_listed: &dyn Fn(&str) -> bool,
) -> Result<(), E> {
    stop.check()?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (name, path) = (format!("{prefix}{}", text(entry.file_name().as_bytes())), entry.path());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list::<E>(found, &path, &format!("{name}/"), stop, is_listed)?;
        } else if !is_listed(&name) {
            continue;
        } else if kind.is_symlink() {
            let target = text(fs::read_link(&path)?.as_os_str().as_bytes());
            found.push((name, path, Item::Link { target }));
        } else {
            let meta = entry.metadata()?;
            let modified = (meta.mtime(), meta.mtime_nsec());
            found.push((name, path, Item::File { bytes: meta.len(), modified, sha256: String::new() }));
        }
    }
    Ok(())
}

/// The hash of each file, by its name. Uses every processor: a source tree has 80,000 files.
fn hash_all<'f, E>(files: &'f [(String, PathBuf)], stop: &Stop) -> Result<Vec<(&'f str, String)>, E>
where
    E: From<io::Error> + From<Interrupted> + Send,
{
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let hash = |part: &'f [(String, PathBuf)]| {
        let one = |(name, path): &'f (String, PathBuf)| Ok((name.as_str(), hash_file::<E>(path, stop)?));
        part.iter().map(one).collect::<Result<Vec<_>, E>>()
    };
    std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || hash(part))).collect();
        let mut hashes = Vec::with_capacity(files.len());
        for thread in running {
            hashes.extend(thread.join().expect("hashing does not panic")?);
        }
        Ok(hashes)
    })
}

/// Bytes that are not UTF-8 appear as `\xNN`.
fn text(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: &str) -> bool {
        true
    }

    fn manifest(dir: &Path) -> Manifest {
        Manifest::of::<Unread>(dir, &Manifest::default(), &Stop::default(), &all)
            .unwrap_or_else(|_| panic!("the directory cannot be read"))
    }

    fn difference(manifest: &Manifest, dir: &Path, depth: Depth) -> Option<String> {
        manifest.difference(dir, depth, &Stop::default(), &all).unwrap()
    }

    #[test]
    fn a_new_time_alone_is_no_difference() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "a").unwrap();
        let manifest = manifest(dir.path());
        let file = fs::OpenOptions::new().write(true).open(dir.path().join("a")).unwrap();
        file.file().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        for depth in [Depth::Times, Depth::Contents] {
            assert_eq!(difference(&manifest, dir.path(), depth), None);
        }
    }

    #[test]
    fn an_equal_length_and_time_hide_a_difference_from_all_but_the_contents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "a").unwrap();
        let manifest = manifest(dir.path());
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "b").unwrap();
        assert_eq!(difference(&manifest, dir.path(), Depth::Times).unwrap(), "a differs");
        fs::OpenOptions::new().write(true).open(&path).unwrap().file().set_modified(modified).unwrap();
        assert_eq!(difference(&manifest, dir.path(), Depth::Times), None);
        assert_eq!(difference(&manifest, dir.path(), Depth::Contents).unwrap(), "a differs");
    }

    #[test]
    fn a_file_that_is_not_listed_may_differ_appear_and_disappear() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine"), "a").unwrap();
        fs::write(dir.path().join("a"), "a").unwrap();
        let manifest = manifest(dir.path());
        let listed = |path: &str| path != "mine" && path != "new";
        fs::write(dir.path().join("mine"), "b").unwrap();
        fs::write(dir.path().join("new"), "b").unwrap();
        let check = || manifest.difference(dir.path(), Depth::Contents, &Stop::default(), &listed).unwrap();
        assert_eq!(check(), None);
        fs::remove_file(dir.path().join("mine")).unwrap();
        assert_eq!(check(), None);
    }

    #[test]
    fn names_that_are_not_utf8_are_listed() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), "a").unwrap();
        let manifest = manifest(dir.path());
        assert!(manifest.0.contains_key("a\\xff"), "{manifest:?}");
        assert_eq!(difference(&manifest, dir.path(), Depth::Contents), None);
    }
}
