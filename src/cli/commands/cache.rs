//! `cache`: lists and removes entries of the store.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use fs_err as fs;
use indicatif::HumanBytes;

use crate::base::context::Context;
use crate::base::error::{Exit, Explain, Failure};
use crate::base::store::{self, Bucket, Store};
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::print;

/// An action on the store.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Action {
    /// List the entries with their sizes
    List,
    /// Remove entries; waits for runs that use them
    Remove {
        /// Entries, named as `cache list` shows them
        #[arg(required = true, value_name = "BUCKET/KEY")]
        entries: Vec<String>,
    },
    /// Remove every entry
    Clear,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the store has no entry {name:?}")]
    Unknown { name: String },
    #[error("{0}")]
    Measure(#[from] io::Error),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Store(error) => Some(error),
            Error::Unknown { .. } | Error::Measure(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::Unknown { .. } => Exit::Usage,
            Error::Store(error) => error.exit(),
            Error::Measure(_) => Exit::StageFailed,
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unknown { .. } => Some("choose one from `kpatch-build cache list`".into()),
            _ => self.inner()?.next_step(),
        }
    }
}

/// Lists, removes or clears.
pub(in crate::cli) fn run(action: &Action, start: CommandLine) -> Result<Exit, Failure> {
    let cx = start.read_file()?.context(PathBuf::new())?;
    let text = match action {
        Action::List => list(&cx.store),
        Action::Remove { entries } => remove(&cx, entries).map(|()| String::new()),
        Action::Clear => clear(&cx).map(|()| String::new()),
    };
    print(&text.map_err(|error| failure(&error))?)
}

/// Returns one line for each entry: size, bucket and key, and a description if its record has one.
fn list(store: &Store) -> Result<String, Error> {
    let mut text = String::new();
    let mut total = 0;
    for bucket in Bucket::ALL {
        for key in store.entries(bucket)? {
            let path = store.path(bucket, &key);
            let bytes = size(&path)?;
            total += bytes;
            let (size, description) = (HumanBytes(bytes).to_string(), describe(&path));
            text += format!("{size:>12}  {}/{key}  {description}", bucket.dir_name()).trim_end();
            text += "\n";
        }
    }
    Ok(text + &format!("{:>12}  in {}\n", HumanBytes(total).to_string(), store.root().display()))
}

/// Returns the release, package or debugger that the entry's record names, or the kernel release of a finished
/// build; empty if unknown.
fn describe(entry: &Path) -> String {
    let record = fs::read(entry.join("meta.json")).ok();
    let record = record.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let field = |name: &str| record.as_ref()?[name].as_str();
    if let Some(name) = field("release").or(field("package")) {
        return name.to_owned();
    }
    if let Some((debugger, version)) = field("debugger").zip(field("version")) {
        return format!("{debugger} ({version})");
    }
    let kernels = fs::read_dir(entry.join("modules/lib/modules")).into_iter().flatten().flatten();
    kernels.map(|kernel| kernel.file_name().to_string_lossy().into_owned()).next().unwrap_or_default()
}

fn remove(cx: &Context, names: &[String]) -> Result<(), Error> {
    let mut targets = Vec::new();
    for name in names {
        let unknown = || Error::Unknown { name: name.clone() };
        let (bucket, key) = name.split_once('/').ok_or_else(unknown)?;
        let bucket = Bucket::ALL.into_iter().find(|known| known.dir_name() == bucket).ok_or_else(unknown)?;
        if !cx.store.entries(bucket)?.iter().any(|known| known == key) {
            return Err(unknown());
        }
        targets.push((bucket, key));
    }
    for (bucket, key) in targets {
        cx.store.remove(bucket, key, &cx.stop)?;
    }
    Ok(())
}

fn clear(cx: &Context) -> Result<(), Error> {
    for bucket in Bucket::ALL {
        for key in cx.store.entries(bucket)? {
            cx.store.remove(bucket, &key, &cx.stop)?;
        }
    }
    Ok(())
}

/// Returns the bytes of all files in and below `path`.
fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut total = 0;
    for entry in fs::read_dir(path)? {
        total += size(&entry?.path())?;
    }
    Ok(total)
}
