//! The host's gdb and strace, copied with all files that they need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::debugger::{Debugger, DebuggerKind};
use super::error::Error;
use super::root::Root;
use super::{data, deb};
use crate::base::cache_key::Key;
use crate::base::context::Context;
use crate::base::digest::sha256;
use crate::base::events::Stage;
use crate::base::store::{Bucket, Lookup};
use crate::base::{process, store_archives};
use crate::stages::boot::libraries::libraries;

/// Time for a program to print its version or settings.
const QUERY_DEADLINE: Duration = Duration::from_secs(30);
/// Version of the layout of stored root directories.
const FORM: u32 = 1;
/// The loader's list of libraries, needed on hosts whose library path differs from Debian's.
const LOADER_CACHE: &str = "/etc/ld.so.cache";
/// Files in the C library's directory that gdb opens at run time.
const RUNTIME_FILES: [&str; 2] = ["libthread_db.so.1", "gconv/gconv-modules.cache"];

/// gdb commands that print its data directory and the directory of Python's library.
const QUERIES: [&str; 2] =
    ["show data-directory", "python import os; print('python-library: ' + os.path.dirname(os.__file__))"];

/// `meta.json` of an entry of [`Bucket::Debuggers`].
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    debugger: String,
    version: String,
}

/// Returns the debuggers that the host has. A host without any is an error only if they are `required`.
pub(super) fn obtain(cx: &Context, required: bool) -> Result<Vec<Debugger>, Error> {
    let found = [DebuggerKind::Gdb, DebuggerKind::Strace].map(|kind| (kind, process::find(kind.name())));
    copy_all(cx, required, found)
}

fn copy_all(
    cx: &Context,
    required: bool,
    found: impl IntoIterator<Item = (DebuggerKind, Option<PathBuf>)>,
) -> Result<Vec<Debugger>, Error> {
    let found = found.into_iter().filter_map(|(kind, program)| Some((kind, program?)));
    let debuggers: Vec<_> =
        found.map(|(kind, program)| copy(cx, kind, &program)).collect::<Result<_, Error>>()?;
    if debuggers.is_empty() {
        if required {
            return Err(Error::NoneOnHost);
        }
        cx.events.note(Stage::Boot, "this host has neither gdb nor strace to test with");
    }
    Ok(debuggers)
}

/// Files of the host: the path in the root directory, and the path on the host.
type Files = BTreeMap<PathBuf, PathBuf>;

fn copy(cx: &Context, kind: DebuggerKind, program: &Path) -> Result<Debugger, Error> {
    let version = version(cx, program)?;
    let mut files = with_libraries(cx, kind, program)?;
    if kind == DebuggerKind::Gdb {
        files.extend(gdb_files(cx, program)?);
    }
    let key = key(&files)?;
    let inside = path_in_root(program);
    let entry = match cx.lookup(Stage::Boot, Bucket::Debuggers, key.as_str())? {
        Lookup::Hit(entry) => entry,
        Lookup::Miss(slot) => {
            let directory = slot.path().join("root");
            let mut root = Root::create(&directory)?;
            for (inside, path) in &files {
                let executable =
                    inside.extension().is_none_or(|extension| extension != "py" && extension != "xml");
                root.file(inside, executable, &fs::read(path)?)?;
            }
            let record = Record { debugger: format!("{kind} of the host"), version: version.clone() };
            store_archives::write_record(slot.path(), &record)?;
            slot.commit()?
        }
    };
    let program = format!("/{}", inside.display());
    Ok(Debugger { kind, version, program, root: entry.path().join("root"), of_host: true, entry })
}

/// Reads the version from `GNU gdb (Debian 13.1-3) 13.1` or `strace -- version 6.1`.
fn version(cx: &Context, program: &Path) -> Result<String, Error> {
    let command = process::Command::new(program).arg("--version").capture().deadline(QUERY_DEADLINE);
    let text = command.run(&cx.stop).map_err(|source| Error::host(program, source))?.text();
    let first = text.lines().next().unwrap_or_default();
    let version = first.rsplit(' ').next().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Ok(version.unwrap_or("unknown").to_owned())
}

/// The program, its libraries, and the loader's list of libraries.
fn with_libraries(cx: &Context, kind: DebuggerKind, program: &Path) -> Result<Files, Error> {
    let libraries = libraries(cx, program).map_err(|source| Error::host(program, source))?;
    let mut all: BTreeSet<_> =
        libraries.into_iter().chain([program.to_owned(), LOADER_CACHE.into()]).collect();
    let libc =
        all.iter().find(|path| path.ends_with("libc.so.6")).filter(|_| kind == DebuggerKind::Gdb).cloned();
    if let Some(libc) = libc {
        all.extend(RUNTIME_FILES.iter().chain(&data::CONVERSION).map(|name| libc.with_file_name(name)));
    }
    Ok(all.into_iter().filter(|path| path.exists()).map(|path| (path_in_root(&path), path)).collect())
}

/// gdb's data directory, and Python's library if gdb is built with Python.
fn gdb_files(cx: &Context, gdb: &Path) -> Result<Files, Error> {
    let command = process::Command::new(gdb).args(["--batch", "-nx", "-ex", QUERIES[0], "-ex", QUERIES[1]]);
    // A gdb without Python prints an error for the second query and continues.
    let output = command.capture().any_status().deadline(QUERY_DEADLINE).run(&cx.stop);
    let output = output.map_err(|source| Error::host(gdb, source))?.text();
    let mut files = Files::new();
    let data_directory = output.split("data directory is \"").nth(1).and_then(|rest| rest.split('"').next());
    if let Some(directory) = data_directory {
        add(&mut files, Path::new(directory), data::is_gdb_data);
    }
    if let Some(directory) = output.lines().find_map(|line| line.strip_prefix("python-library: ")) {
        add(&mut files, Path::new(directory), data::is_module);
    }
    Ok(files)
}

/// Adds the files below `directory` whose path relative to it is wanted.
fn add(files: &mut Files, directory: &Path, is_wanted: fn(&Path) -> bool) {
    let mut pending = vec![directory.to_owned()];
    while let Some(current) = pending.pop() {
        // gdb works without its data directory, with fewer features.
        let Ok(entries) = current.read_dir() else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let below = path.strip_prefix(directory).expect("the walk started at the directory");
            match path.metadata() {
                // Following a link to a directory could loop.
                Ok(meta) if meta.is_dir() && !path.is_symlink() => pending.push(path),
                Ok(meta) if meta.is_file() && is_wanted(below) => {
                    drop(files.insert(path_in_root(&path), path));
                }
                _ => {}
            }
        }
    }
}

/// The path in the root directory, with a merged `/usr`.
fn path_in_root(path: &Path) -> PathBuf {
    deb::below_usr(path.strip_prefix("/").unwrap_or(path))
}

fn key(files: &Files) -> Result<Key, Error> {
    let mut sums = Vec::new();
    for (inside, path) in files {
        sums.push((inside, sha256(fs::read(path)?)));
    }
    Ok(Key::of("debugger of the host", &(FORM, sums)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::base::error::{Exit, Explain};
    use crate::base::events::{Event, Events, Sink};
    use crate::base::stop::Stop;
    use crate::base::store::Store;

    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Sink for Notes {
        fn event(&self, event: &Event) {
            if let Event::Note { text, .. } = event {
                self.0.lock().unwrap().push(text.clone());
            }
        }
    }

    #[test]
    fn a_host_without_debuggers_is_an_error_only_if_they_are_required() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::default();
        let cx = Context {
            store: Store::open(dir.path()).unwrap(),
            events: Events::new(notes.clone()),
            stop: Stop::default(),
            offline: false,
            logs: dir.path().join("logs"),
        };
        let nothing = [(DebuggerKind::Gdb, None), (DebuggerKind::Strace, None)];
        assert!(copy_all(&cx, false, nothing.clone()).unwrap().is_empty());
        assert!(notes.0.lock().unwrap()[0].contains("neither gdb nor strace"));
        let error = copy_all(&cx, true, nothing).unwrap_err();
        assert_eq!(error.exit(), Exit::HostLacks);
        assert!(error.next_step().unwrap().contains("--debuggers none"));
    }

    #[test]
    fn files_are_placed_below_a_merged_usr() {
        assert_eq!(
            path_in_root(Path::new("/lib64/ld-linux-x86-64.so.2")),
            Path::new("usr/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(path_in_root(Path::new("/usr/local/bin/gdb")), Path::new("usr/local/bin/gdb"));
    }
}
