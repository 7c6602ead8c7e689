//! The host's own gdb and strace, copied with everything that they need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::root::Root;
use super::{Debugger, Tool, data, deb};
use crate::base::cache_key::{Key, hex};
use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::process;
use crate::base::store::{Lookup, Room};
use crate::base::store_archives;
use crate::stages::boot::libraries::libraries;

/// A program that does not answer by then does not work.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of the form in which roots are kept.
const FORM: u32 = 1;
/// Where the loader finds libraries that lie elsewhere than Debian's do.
const LOADER_CACHE: &str = "/etc/ld.so.cache";
/// Beside the C library, opened by gdb itself.
const OPENED: [&str; 2] = ["libthread_db.so.1", "gconv/gconv-modules.cache"];

/// What gdb says of itself; the folders are empty where it has no Python.
const QUESTIONS: [&str; 2] =
    ["show data-directory", "python import os; print('python-library: ' + os.path.dirname(os.__file__))"];

/// `meta.json` of an entry of [`Room::Debuggers`].
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    debugger: String,
    version: String,
}

/// Those that are there. Having none is an error only when the user `insists`.
pub fn obtain(cx: &Context, insists: bool) -> Result<Vec<Debugger>, Error> {
    let found = [Tool::Gdb, Tool::Strace].map(|tool| (tool, process::find(tool.name())));
    obtain_of(cx, insists, found)
}

fn obtain_of(
    cx: &Context,
    insists: bool,
    found: impl IntoIterator<Item = (Tool, Option<PathBuf>)>,
) -> Result<Vec<Debugger>, Error> {
    let found = found.into_iter().filter_map(|(tool, program)| Some((tool, program?)));
    let debuggers: Vec<_> =
        found.map(|(tool, program)| copy(cx, tool, &program)).collect::<Result<_, Error>>()?;
    if debuggers.is_empty() {
        if insists {
            return Err(Error::NoneOnHost);
        }
        cx.events
            .note(Stage::Boot, "this host has neither gdb nor strace of its own to test with".to_owned());
    }
    Ok(debuggers)
}

/// Where a file of the host goes in the root, and where it is.
type Files = BTreeMap<PathBuf, PathBuf>;

fn copy(cx: &Context, tool: Tool, program: &Path) -> Result<Debugger, Error> {
    let version = version(cx, program)?;
    let mut files = with_libraries(cx, tool, program)?;
    if tool == Tool::Gdb {
        files.extend(gdb_files(cx, program)?);
    }
    let key = key(&files)?;
    let inside = place(program);
    let entry = match cx.lookup(Stage::Boot, Room::Debuggers, key.as_str())? {
        Lookup::Hit(entry) => entry,
        Lookup::Miss(slot) => {
            let folder = slot.path().join("root");
            let mut root = Root::create(&folder)?;
            for (inside, path) in &files {
                let executable = inside.extension().is_none_or(|ending| ending != "py" && ending != "xml");
                root.file(inside, executable, &read(path)?)?;
            }
            let record =
                Record { debugger: format!("{} of the host", tool.name()), version: version.clone() };
            store_archives::write_record(slot.path(), &record)
                .map_err(|source| Error::Write { path: slot.path().to_owned(), source })?;
            slot.commit()?
        }
    };
    let program = format!("/{}", inside.display());
    Ok(Debugger { tool, version, program, root: entry.path().join("root"), of_host: true, entry })
}

/// `GNU gdb (Debian 13.1-3) 13.1`, `strace -- version 6.1`.
fn version(cx: &Context, program: &Path) -> Result<String, Error> {
    let command = process::Command::new(program).arg("--version").capture().deadline(PATIENCE);
    let text = command.run(&cx.stop).map_err(|source| Error::host(program, source))?.text();
    let first = text.lines().next().unwrap_or_default();
    let version = first.rsplit(' ').next().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Ok(version.unwrap_or("unknown").to_owned())
}

/// The program with its libraries, and the loader's own list of where they are.
fn with_libraries(cx: &Context, tool: Tool, program: &Path) -> Result<Files, Error> {
    let libraries = libraries(cx, program).map_err(|source| Error::host(program, source))?;
    let mut all: BTreeSet<_> =
        libraries.into_iter().chain([program.to_owned(), LOADER_CACHE.into()]).collect();
    let libc = all.iter().find(|path| path.ends_with("libc.so.6")).filter(|_| tool == Tool::Gdb).cloned();
    if let Some(libc) = libc {
        all.extend(OPENED.iter().chain(&data::CONVERSION).map(|name| libc.with_file_name(name)));
    }
    Ok(all.into_iter().filter(|path| path.exists()).map(|path| (place(&path), path)).collect())
}

/// gdb's data, and Python's library where gdb is built with Python.
fn gdb_files(cx: &Context, gdb: &Path) -> Result<Files, Error> {
    let command =
        process::Command::new(gdb).args(["--batch", "-nx", "-ex", QUESTIONS[0], "-ex", QUESTIONS[1]]);
    // Without Python the second question is an error, which is the answer.
    let answers = command.capture().any_status().deadline(PATIENCE).run(&cx.stop);
    let answers = answers.map_err(|source| Error::host(gdb, source))?.text();
    let mut files = Files::new();
    if let Some(folder) = answers.split("data directory is \"").nth(1).and_then(|rest| rest.split('"').next())
    {
        add(&mut files, Path::new(folder), data::is_gdb_data)?;
    }
    if let Some(folder) = answers.lines().find_map(|line| line.strip_prefix("python-library: ")) {
        add(&mut files, Path::new(folder), data::is_module)?;
    }
    Ok(files)
}

/// Files below `folder` whose path below it is wanted.
fn add(files: &mut Files, folder: &Path, is_wanted: fn(&Path) -> bool) -> Result<(), Error> {
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        // A gdb without its data directory works, only less well.
        let Ok(entries) = current.read_dir() else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let below = path.strip_prefix(folder).expect("it was found there");
            match path.metadata() {
                // A link to a folder may lead in a circle.
                Ok(meta) if meta.is_dir() && !path.is_symlink() => folders.push(path),
                Ok(meta) if meta.is_file() && is_wanted(below) => drop(files.insert(place(&path), path)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The same path, below the root, on a merged system.
fn place(path: &Path) -> PathBuf {
    deb::below_usr(path.strip_prefix("/").unwrap_or(path))
}

fn key(files: &Files) -> Result<Key, Error> {
    let mut sums = Vec::new();
    for (inside, path) in files {
        sums.push((inside, hex(&Sha256::digest(read(path)?))));
    }
    Ok(Key::of("debugger of the host", &(FORM, sums)))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
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
    fn a_host_without_debuggers_is_an_error_only_for_who_asks_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::default();
        let cx = Context {
            store: Store::open(dir.path()).unwrap(),
            events: Events::new(notes.clone()),
            stop: Stop::default(),
            offline: false,
            logs: dir.path().join("logs"),
        };
        let nothing = [(Tool::Gdb, None), (Tool::Strace, None)];
        assert!(obtain_of(&cx, false, nothing.clone()).unwrap().is_empty());
        assert!(notes.0.lock().unwrap()[0].contains("neither gdb nor strace"));
        let error = obtain_of(&cx, true, nothing).unwrap_err();
        assert_eq!(error.exit(), Exit::HostLacks);
        assert!(error.next_step().unwrap().contains("--debuggers none"));
    }

    #[test]
    fn files_lie_where_a_merged_system_has_them() {
        assert_eq!(
            place(Path::new("/lib64/ld-linux-x86-64.so.2")),
            Path::new("usr/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(place(Path::new("/usr/local/bin/gdb")), Path::new("usr/local/bin/gdb"));
    }
}
