//! Cache: what the store holds, and how to be rid of it.

use std::path::Path;

use indicatif::HumanBytes;

use crate::base::context::Context;
use crate::base::error::{Exit, Explain};
use crate::base::store::{self, Room, Store};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the store has no entry {name:?}")]
    Unknown { name: String },
    #[error("cannot measure {}", path.display())]
    Measure { path: std::path::PathBuf, source: std::io::Error },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Unknown { .. } => Exit::Usage,
            Error::Store(_) | Error::Measure { .. } => Exit::StageFailed,
        }
    }

    fn next_step(&self) -> Option<String> {
        matches!(self, Error::Unknown { .. }).then(|| "`kpatch-build cache list` shows them".into())
    }
}

/// One line for each entry: size, room and name, and what it is where that is known.
pub fn list(store: &Store) -> Result<String, Error> {
    let mut text = String::new();
    let mut total = 0;
    for room in Room::ALL {
        for entry in store.entries(room)? {
            let path = store.path(room, &entry);
            let bytes = size(&path)?;
            total += bytes;
            let (size, what) = (HumanBytes(bytes).to_string(), what(&path));
            text += format!("{size:>12}  {}/{entry}  {what}", room.dir_name()).trim_end();
            text += "\n";
        }
    }
    Ok(text + &format!("{:>12}  in {}\n", HumanBytes(total).to_string(), store.root().display()))
}

/// What its record names: a release, a package, a debugger; or the kernel's name in a finished build.
fn what(entry: &Path) -> String {
    let record = std::fs::read(entry.join("meta.json")).ok();
    let record = record.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let field = |name: &str| record.as_ref()?[name].as_str();
    if let Some(name) = field("release").or(field("package")) {
        return name.to_owned();
    }
    if let Some((debugger, version)) = field("debugger").zip(field("version")) {
        return format!("{debugger} ({version})");
    }
    let kernels = std::fs::read_dir(entry.join("modules/lib/modules")).into_iter().flatten().flatten();
    kernels.map(|kernel| kernel.file_name().to_string_lossy().into_owned()).next().unwrap_or_default()
}

/// Waits for runs that use an entry.
pub fn remove(cx: &Context, names: &[String]) -> Result<String, Error> {
    let mut targets = Vec::new();
    for name in names {
        let unknown = || Error::Unknown { name: name.clone() };
        let (room, entry) = name.split_once('/').ok_or_else(unknown)?;
        let room = Room::ALL.into_iter().find(|known| known.dir_name() == room).ok_or_else(unknown)?;
        if !cx.store.entries(room)?.iter().any(|known| known == entry) {
            return Err(unknown());
        }
        targets.push((room, entry));
    }
    for (room, entry) in targets {
        cx.store.remove(room, entry, &cx.stop)?;
    }
    Ok(String::new())
}

pub fn clear(cx: &Context) -> Result<String, Error> {
    for room in Room::ALL {
        for entry in cx.store.entries(room)? {
            cx.store.remove(room, &entry, &cx.stop)?;
        }
    }
    Ok(String::new())
}

/// Bytes of all files below `path`.
fn size(path: &Path) -> Result<u64, Error> {
    let error = |source| Error::Measure { path: path.to_owned(), source };
    let meta = path.symlink_metadata().map_err(error)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut total = 0;
    for entry in path.read_dir().map_err(error)? {
        total += size(&entry.map_err(error)?.path())?;
    }
    Ok(total)
}
