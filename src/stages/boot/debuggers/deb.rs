//! The files of the Debian packages that a debugger consists of.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use super::data;
use super::error::Error;
use crate::base::archive::deb::{self, Part};
use crate::base::archive::decompress::decompress;
use crate::base::archive::path::{Unsafe, relative};

/// Limit for the unpacked size of a package, in bytes; more than any package with a library needs.
const LONGEST: u64 = 1 << 30;

/// The files of a debugger's packages, by path relative to the root directory. Paths start with `usr`, as
/// on a system with a merged `/usr`.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<PathBuf, Content>);

#[derive(Debug)]
enum Content {
    File(Vec<u8>),
    /// A link to a path relative to the root directory.
    Link(PathBuf),
}

/// Why an entry of a package cannot be added.
enum EntryError {
    Damaged(io::Error),
    Unsafe { entry: PathBuf, reason: Unsafe },
}

impl From<io::Error> for EntryError {
    fn from(error: io::Error) -> EntryError {
        EntryError::Damaged(error)
    }
}

/// Longest chain of links to follow.
const LINKS: usize = 8;

impl Files {
    /// Adds the files of a package that a debugger may need: programs, libraries and data.
    pub(super) fn add(&mut self, package: &str, deb: &[u8]) -> Result<(), Error> {
        let added = deb::read(deb, |part, packed| match part {
            Part::Control => Ok(()),
            Part::Data => self.add_tar(decompress(packed)?.take(LONGEST)),
        });
        added.map_err(|error| match error {
            EntryError::Damaged(source) => Error::NotADeb { package: package.to_owned(), source },
            EntryError::Unsafe { entry, reason } => {
                Error::Unsafe { package: package.to_owned(), entry, reason }
            }
        })
    }

    fn add_tar(&mut self, plain: impl Read) -> Result<(), EntryError> {
        let mut archive = tar::Archive::new(plain);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            let shown = PathBuf::from(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
            let refused = |reason| EntryError::Unsafe { entry: shown.clone(), reason };
            if kind == EntryType::Directory && shown == Path::new("./") {
                continue;
            }
            let path = below_usr(&relative(&entry.path_bytes()).map_err(refused)?);
            match kind {
                EntryType::Char | EntryType::Block | EntryType::Fifo => return Err(refused(Unsafe::Device)),
                _ if !is_wanted(&path) => continue,
                EntryType::Regular => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    self.put(path, Content::File(content)).map_err(refused)?;
                }
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    let target = target_of(&path, &target).map_err(refused)?;
                    self.put(path, Content::Link(target)).map_err(refused)?;
                }
                EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    let target = below_usr(&relative(&target).map_err(refused)?);
                    self.put(path, Content::Link(target)).map_err(refused)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, path: PathBuf, content: Content) -> Result<(), Unsafe> {
        match self.0.insert(path, content) {
            None => Ok(()),
            Some(_) => Err(Unsafe::Twice),
        }
    }

    /// The content of `path`; follows links to files that were added.
    pub(super) fn get(&self, path: &Path) -> Option<&[u8]> {
        let mut path = path;
        for _ in 0..LINKS {
            match self.0.get(path)? {
                Content::File(bytes) => return Some(bytes),
                Content::Link(target) => path = target,
            }
        }
        None
    }

    /// The paths of all files and links.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

/// The path on a system with a merged `/usr`: `usr/lib/x` for `lib/x`.
pub(super) fn below_usr(path: &Path) -> PathBuf {
    let merged = ["bin", "lib", "lib64", "sbin"].iter().any(|top| path.starts_with(top));
    if merged { Path::new("usr").join(path) } else { path.to_owned() }
}

fn is_wanted(path: &Path) -> bool {
    let is_program = path.parent() == Some(Path::new("usr/bin"));
    let is_in_library_directory = ["usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu"]
        .iter()
        .any(|directory| path.parent() == Some(Path::new(directory)));
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    is_program || is_in_library_directory && name.contains(".so") || data::is_data(path)
}

/// The path of a link's target. As in the kernel, `..` in the root directory is the root directory.
fn target_of(link: &Path, target: &[u8]) -> Result<PathBuf, Unsafe> {
    use std::os::unix::ffi::OsStrExt;
    let target = Path::new(std::ffi::OsStr::from_bytes(target));
    if target.as_os_str().is_empty() || target.as_os_str().as_bytes().contains(&0) {
        return Err(Unsafe::LinkLeavesTree { target: target.to_owned() });
    }
    let mut path = link.parent().unwrap_or(Path::new("")).to_owned();
    for part in target.components() {
        match part {
            Component::RootDir | Component::Prefix(_) => path = PathBuf::new(),
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
        }
    }
    Ok(below_usr(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_paths_below_a_merged_usr() {
        let target = |link: &str, target: &str| target_of(Path::new(link), target.as_bytes()).unwrap();
        let loader = Path::new("usr/lib/x86_64-linux-gnu/ld-2.31.so");
        assert_eq!(target("usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-2.31.so"), loader);
        assert_eq!(target("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "ld-2.31.so"), loader);
        assert_eq!(target("usr/lib64/x", "../lib/x86_64-linux-gnu/ld-2.31.so"), loader);
        assert_eq!(target("usr/lib64/x", "../../../../etc/passwd"), Path::new("etc/passwd"));
    }

    #[test]
    fn broken_and_circular_links_have_no_content() {
        let mut files = Files::default();
        files.put("usr/bin/a".into(), Content::Link("usr/bin/b".into())).unwrap();
        files.put("usr/bin/b".into(), Content::Link("usr/bin/a".into())).unwrap();
        files.put("usr/bin/c".into(), Content::Link("etc/passwd".into())).unwrap();
        assert_eq!(files.get(Path::new("usr/bin/a")), None);
        assert_eq!(files.get(Path::new("usr/bin/c")), None);
    }
}
