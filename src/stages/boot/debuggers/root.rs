//! Makes the folder that becomes a debugger's root in the guest.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;

use super::data;
use super::deb::Files;
use super::error::Error;
use crate::base::archive::writer::{EntryError, Writer};

/// Where glibc's loader looks on amd64 when nothing else is said.
const LIBRARY_FOLDERS: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"];

/// Libraries that gdb opens by itself where there are threads.
const OPENED: [&str; 1] = ["libthread_db.so.1"];

/// On a merged system, so that programs that look in either place find everything.
const LINKS: [(&str, &str); 3] = [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// Files to write, and no time but the epoch: a root depends on nothing but its content.
pub struct Root<'a> {
    folder: &'a Path,
    writer: Writer,
}

impl<'a> Root<'a> {
    /// Creates the folder.
    pub fn create(folder: &'a Path) -> Result<Root<'a>, Error> {
        let told = |failure| write_error(folder, failure);
        let mut writer = Writer::create(folder).map_err(told)?;
        for (link, target) in LINKS {
            writer.directory(Path::new(target)).map_err(told)?;
            writer.link(Path::new(link), Path::new(target)).map_err(told)?;
        }
        // Mount points of whoever starts the program.
        for mount in ["proc", "dev", "sys", "tmp"] {
            writer.directory(Path::new(mount)).map_err(told)?;
        }
        Ok(Root { folder, writer })
    }

    pub fn file(&mut self, path: &Path, executable: bool, content: &[u8]) -> Result<(), Error> {
        if let Some(folder) = data::landmark(path) {
            self.writer.directory(&folder).map_err(|failure| write_error(&folder, failure))?;
        }
        let written = self.writer.file(path, executable, 0, Cursor::new(content));
        written.map_err(|failure| write_error(&self.folder.join(path), failure))
    }
}

fn write_error(path: &Path, error: EntryError) -> Error {
    let source = match error {
        EntryError::Write(source) | EntryError::Read(source) => source,
        EntryError::Unsafe(reason) => std::io::Error::other(reason.to_string()),
    };
    Error::Write { path: path.to_owned(), source }
}

/// Writes the program, the libraries that it needs, and the data files.
pub fn of_packages(folder: &Path, debugger: &str, program: &Path, files: &Files) -> Result<(), Error> {
    let mut root = Root::create(folder)?;
    for path in needed(debugger, program, files)? {
        // Links are written as what they stand for.
        root.file(&path, true, files.get(&path).expect("it was found there"))?;
    }
    for path in files.paths().filter(|path| data::is_data(path)) {
        if let Some(content) = files.get(path) {
            root.file(path, false, content)?;
        }
    }
    Ok(())
}

/// The program, its loader, and all libraries down to the last.
fn needed(debugger: &str, program: &Path, files: &Files) -> Result<BTreeSet<PathBuf>, Error> {
    let missing = |library: &str, needed_by: &Path| Error::Incomplete {
        debugger: debugger.to_owned(),
        needed_by: format!("/{}", needed_by.display()),
        library: library.to_owned(),
    };
    let mut found = BTreeSet::new();
    let opened = OPENED.iter().filter_map(|name| library(files, name));
    let mut queue: Vec<PathBuf> = opened.chain([program.to_owned()]).collect();
    while let Some(path) = queue.pop() {
        let content = files.get(&path).ok_or_else(|| missing(&format!("/{}", path.display()), program))?;
        if !found.insert(path.clone()) {
            continue;
        }
        let elf = Elf::parse(content).map_err(|source| Error::NotElf { path: path.clone(), source })?;
        if let Some(loader) = elf.interpreter {
            let path = super::deb::below_usr(Path::new(loader.trim_start_matches('/')));
            files.get(&path).ok_or_else(|| missing(loader, program))?;
            queue.push(path);
        }
        for name in elf.libraries {
            queue.push(library(files, name).ok_or_else(|| missing(name, &path))?);
        }
    }
    Ok(found)
}

fn library(files: &Files, name: &str) -> Option<PathBuf> {
    let places = LIBRARY_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    places.into_iter().find(|path| files.get(path).is_some())
}
