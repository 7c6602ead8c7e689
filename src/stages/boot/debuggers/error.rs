//! Why a debugger could not be made ready.

use std::io;
use std::path::{Path, PathBuf};

use super::choice::Name;
use crate::base::archive::path::Unsafe;
use crate::base::error::{Exit, Explain};
use crate::base::openpgp::keyring::KeyringError;
use crate::base::{debian, process, store};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot tell who may sign for Debian")]
    Keyring { source: KeyringError },
    #[error("cannot get {debugger} from Debian")]
    Debian { debugger: Name, source: debian::error::Error },
    #[error("Debian's {suite} has gdb {found}, which is not {debugger}")]
    OtherVersion { debugger: Name, suite: &'static str, found: String },
    #[error("the package {package} cannot be read: it is no .deb")]
    NotADeb { package: String, source: io::Error },
    #[error("the package {package} is not safe to unpack: {}: {reason}", entry.display())]
    Unsafe { package: String, entry: PathBuf, reason: Unsafe },
    #[error("{debugger} cannot run by itself: {needed_by} needs {library}, which none of its packages has")]
    Incomplete { debugger: String, needed_by: String, library: String },
    #[error("{} is not a program for this machine", path.display())]
    NotElf { path: PathBuf, source: goblin::error::Error },
    #[error("this host has neither gdb nor strace")]
    NoneOnHost,
    #[error("the host's {} does not run", program.display())]
    Host { program: PathBuf, source: process::Error },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot use the store")]
    Store { source: store::Error },
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted => Exit::Interrupted,
            Error::Debian { source, .. } => source.exit(),
            Error::Keyring { source } => source.exit(),
            Error::NoneOnHost => Exit::HostLacks,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Debian { source, .. } => source.facts(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        let without = "--debuggers host or --debuggers none";
        Some(match self {
            Error::Debian { source, .. } => match source.next_step() {
                Some(step) => format!("{step}, or do without: {without}"),
                None => format!("check the network and the mirror, or do without: {without}"),
            },
            Error::OtherVersion { .. }
            | Error::NotADeb { .. }
            | Error::Unsafe { .. }
            | Error::Incomplete { .. }
            | Error::NotElf { .. } => {
                format!("do without: {without}")
            }
            Error::NoneOnHost => "install gdb and strace, or pass --debuggers none".into(),
            Error::Host { .. } => "mend it, or leave host out of --debuggers".into(),
            _ => return None,
        })
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Host { source, .. } => source.log_and_tail(),
            _ => (None, &[]),
        }
    }
}

impl From<store::Error> for Error {
    fn from(source: store::Error) -> Self {
        match source {
            store::Error::Interrupted { .. } => Error::Interrupted,
            source => Error::Store { source },
        }
    }
}

impl Error {
    pub(super) fn host(program: &Path, source: process::Error) -> Error {
        match source {
            process::Error::Interrupted { .. } => Error::Interrupted,
            source => Error::Host { program: program.to_owned(), source },
        }
    }

    pub(super) fn debian(debugger: Name, source: debian::error::Error) -> Error {
        match source.exit() {
            Exit::Interrupted => Error::Interrupted,
            _ => Error::Debian { debugger, source },
        }
    }
}
