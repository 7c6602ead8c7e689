//! The directory that becomes a debugger's root in the guest.

use std::collections::BTreeSet;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use goblin::elf::Elf;

use super::data;
use super::deb::Files;
use super::error::Error;
use crate::base::archive::writer::{EntryError, Writer};
use crate::base::files;

/// The default library path of glibc's loader on amd64.
const LIBRARY_DIRECTORIES: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"];

/// Libraries that gdb opens at run time to debug threads.
const RUNTIME_LIBRARIES: [&str; 1] = ["libthread_db.so.1"];

/// The links of a merged `/usr`, with which programs find files under either path.
const LINKS: [(&str, &str); 3] = [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// A root directory under construction. Every file gets the epoch as its time: a root depends only on its
/// content.
pub(super) struct Root<'a> {
    path: &'a Path,
    writer: Writer,
}

impl<'a> Root<'a> {
    /// Creates the directory with its links and mount points.
    pub(super) fn create(path: &'a Path) -> Result<Root<'a>, Error> {
        let error = |failed| write_error(path, failed);
        let mut writer = Writer::create(path).map_err(error)?;
        for (link, target) in LINKS {
            writer.directory(Path::new(target)).map_err(error)?;
            writer.link(Path::new(link), Path::new(target)).map_err(error)?;
        }
        // The caller that starts the program mounts file systems there.
        for mount in ["proc", "dev", "sys", "tmp"] {
            writer.directory(Path::new(mount)).map_err(error)?;
        }
        Ok(Root { path, writer })
    }

    /// Writes a file; `path` is relative to the root directory.
    pub(super) fn file(&mut self, path: &Path, executable: bool, content: &[u8]) -> Result<(), Error> {
        if let Some(directory) = data::landmark(path) {
            self.writer.directory(&directory).map_err(|error| write_error(&directory, error))?;
        }
        let written = self.writer.file(path, executable, 0, Cursor::new(content));
        written.map_err(|error| write_error(&self.path.join(path), error))
    }
}

fn write_error(path: &Path, error: EntryError) -> Error {
    Error::Io(match error {
        EntryError::Write(source) => source,
        EntryError::Read(source) => files::at("write", path, source),
        EntryError::Unsafe(reason) => files::at("write", path, io::Error::other(reason.to_string())),
    })
}

/// Creates a root directory with the program, the libraries that it needs, and the data files.
pub(super) fn of_packages(
    directory: &Path,
    debugger: &str,
    program: &Path,
    files: &Files,
) -> Result<(), Error> {
    let mut root = Root::create(directory)?;
    for path in needed(debugger, program, files)? {
        // A link becomes a copy of its target.
        root.file(&path, true, files.get(&path).expect("needed() found the file"))?;
    }
    for path in files.paths().filter(|path| data::is_data(path)) {
        if let Some(content) = files.get(path) {
            root.file(path, false, content)?;
        }
    }
    Ok(())
}

/// The program, its loader, and all libraries, direct and indirect.
fn needed(debugger: &str, program: &Path, files: &Files) -> Result<BTreeSet<PathBuf>, Error> {
    let missing = |library: &str, needed_by: &Path| Error::Incomplete {
        debugger: debugger.to_owned(),
        needed_by: format!("/{}", needed_by.display()),
        library: library.to_owned(),
    };
    let mut found = BTreeSet::new();
    let opened = RUNTIME_LIBRARIES.iter().filter_map(|name| library(files, name));
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
    let mut candidates = LIBRARY_DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
    candidates.find(|path| files.get(path).is_some())
}
