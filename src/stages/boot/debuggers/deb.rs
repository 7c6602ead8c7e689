//! Reads a `.deb` (deb(5)): an `ar` archive with the files in a compressed tar archive.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use super::data;
use super::error::Error;
use crate::base::archive::decompress::decompress;
use crate::base::archive::path::{Unsafe, relative};

/// More than any package with a library has, unpacked.
const LONGEST: u64 = 1 << 30;

/// What the packages of one debugger hold, by path below the root. Paths start with `usr`, as on
/// a system whose `/lib` is a link to `/usr/lib`.
#[derive(Debug, Default)]
pub struct Files(BTreeMap<PathBuf, Content>);

#[derive(Debug)]
enum Content {
    File(Vec<u8>),
    /// To a path below the root.
    Link(PathBuf),
}

/// Longest chain of links that is followed.
const LINKS: usize = 8;

impl Files {
    /// Adds what a debugger may need of a package: programs, libraries and data.
    pub fn add(&mut self, package: &str, deb: &[u8]) -> Result<(), Error> {
        let damaged = |source| Error::NotADeb { package: package.to_owned(), source };
        let mut outer = ar::Archive::new(Cursor::new(deb));
        let mut format = false;
        while let Some(member) = outer.next_entry() {
            let mut member = member.map_err(damaged)?;
            let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
            let mut content = Vec::new();
            member.read_to_end(&mut content).map_err(damaged)?;
            match name.trim_end_matches('/') {
                "debian-binary" => format = content.starts_with(b"2."),
                name if format && name.starts_with("data.tar") => {
                    let plain = decompress(Cursor::new(content)).map_err(damaged)?;
                    return self.add_tar(package, plain.take(LONGEST));
                }
                _ => {}
            }
        }
        Err(damaged(io::Error::new(io::ErrorKind::InvalidData, "it has no data.tar")))
    }

    fn add_tar(&mut self, package: &str, plain: impl Read) -> Result<(), Error> {
        let damaged = |source| Error::NotADeb { package: package.to_owned(), source };
        let mut archive = tar::Archive::new(plain);
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let kind = entry.header().entry_type();
            let shown = PathBuf::from(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
            let refused =
                |reason| Error::Unsafe { package: package.to_owned(), entry: shown.clone(), reason };
            if kind == EntryType::Directory && shown == Path::new("./") {
                continue;
            }
            let path = below_usr(&relative(&entry.path_bytes()).map_err(refused)?);
            match kind {
                EntryType::Char | EntryType::Block | EntryType::Fifo => return Err(refused(Unsafe::Device)),
                _ if !is_wanted(&path) => continue,
                EntryType::Regular => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).map_err(damaged)?;
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

    /// The file at `path`, links followed within what was added.
    pub fn get(&self, path: &Path) -> Option<&[u8]> {
        let mut path = path;
        for _ in 0..LINKS {
            match self.0.get(path)? {
                Content::File(bytes) => return Some(bytes),
                Content::Link(target) => path = target,
            }
        }
        None
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

/// Where the path is on a merged system: `lib/x` is `usr/lib/x`.
pub fn below_usr(path: &Path) -> PathBuf {
    let merged = ["bin", "lib", "lib64", "sbin"].iter().any(|top| path.starts_with(top));
    if merged { Path::new("usr").join(path) } else { path.to_owned() }
}

fn is_wanted(path: &Path) -> bool {
    let is_program = path.parent() == Some(Path::new("usr/bin"));
    let in_library_folder = ["usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu"]
        .iter()
        .any(|folder| path.parent() == Some(Path::new(folder)));
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    is_program || in_library_folder && name.contains(".so") || data::is_data(path)
}

/// The path that a link stands for. What climbs above the root is at the root, as it is for the kernel.
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
    fn links_lead_to_where_the_merged_system_has_the_file() {
        let target = |link: &str, target: &str| target_of(Path::new(link), target.as_bytes()).unwrap();
        let loader = Path::new("usr/lib/x86_64-linux-gnu/ld-2.31.so");
        assert_eq!(target("usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-2.31.so"), loader);
        assert_eq!(target("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "ld-2.31.so"), loader);
        assert_eq!(target("usr/lib64/x", "../lib/x86_64-linux-gnu/ld-2.31.so"), loader);
        assert_eq!(target("usr/lib64/x", "../../../../etc/passwd"), Path::new("etc/passwd"));
    }

    #[test]
    fn links_that_lead_nowhere_or_in_a_circle_are_nothing() {
        let mut files = Files::default();
        files.put("usr/bin/a".into(), Content::Link("usr/bin/b".into())).unwrap();
        files.put("usr/bin/b".into(), Content::Link("usr/bin/a".into())).unwrap();
        files.put("usr/bin/c".into(), Content::Link("etc/passwd".into())).unwrap();
        assert_eq!(files.get(Path::new("usr/bin/a")), None);
        assert_eq!(files.get(Path::new("usr/bin/c")), None);
    }
}
