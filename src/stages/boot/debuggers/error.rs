//! Errors that keep a debugger from being ready.

use std::io;
use std::path::{Path, PathBuf};

use super::selection::DebuggerName;
use crate::base::archive::path::Unsafe;
use crate::base::error::{Exit, Explain};
use crate::base::openpgp::keyring::KeyringError;
use crate::base::stop::Interrupted;
use crate::base::{debian, process, store};

/// A debugger that cannot be made ready.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message describes its variant")]
pub enum Error {
    #[error("cannot determine the trusted Debian keys")]
    Keyring { source: KeyringError },
    #[error("cannot get {debugger} from Debian")]
    Debian { debugger: DebuggerName, source: debian::error::Error },
    #[error("Debian's {suite} has gdb {found}, not {debugger}")]
    OtherVersion { debugger: DebuggerName, suite: &'static str, found: String },
    #[error("cannot read the package {package}: it is not a valid .deb")]
    NotADeb { package: String, source: io::Error },
    #[error("the package {package} is not safe to unpack: {}: {reason}", entry.display())]
    Unsafe { package: String, entry: PathBuf, reason: Unsafe },
    #[error("{debugger} is incomplete: {needed_by} needs {library}, which none of its packages contains")]
    Incomplete { debugger: String, needed_by: String, library: String },
    #[error("{} is not a program for this machine", path.display())]
    NotElf { path: PathBuf, source: goblin::error::Error },
    #[error("this host has neither gdb nor strace")]
    NoneOnHost,
    #[error("the host's {} does not run", program.display())]
    Host { program: PathBuf, source: process::Error },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Debian { source, .. } => Some(source),
            Error::Keyring { source } => Some(source),
            Error::Store(error) => Some(error),
            Error::Interrupted(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::NoneOnHost => Exit::HostLacks,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn next_step(&self) -> Option<String> {
        let without = "continue without: --debuggers host or --debuggers none";
        match self {
            Error::Debian { source, .. } => Some(match source.next_step() {
                Some(step) => format!("{step}, or {without}"),
                None => format!("check the network and the mirror, or {without}"),
            }),
            Error::OtherVersion { .. }
            | Error::NotADeb { .. }
            | Error::Unsafe { .. }
            | Error::Incomplete { .. }
            | Error::NotElf { .. } => Some(without.to_owned()),
            Error::NoneOnHost => Some("install gdb and strace, or pass --debuggers none".into()),
            Error::Host { .. } => Some("fix it, or remove host from --debuggers".into()),
            _ => self.inner()?.next_step(),
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Host { source, .. } => source.log_and_tail(),
            _ => self.inner().map_or((None, &[]), Explain::log_and_tail),
        }
    }
}

impl Error {
    pub(super) fn host(program: &Path, source: process::Error) -> Error {
        match source {
            process::Error::Interrupted { .. } => Error::Interrupted(Interrupted),
            source => Error::Host { program: program.to_owned(), source },
        }
    }

    pub(super) fn debian(debugger: DebuggerName, source: debian::error::Error) -> Error {
        match source.exit() {
            Exit::Interrupted => Error::Interrupted(Interrupted),
            _ => Error::Debian { debugger, source },
        }
    }
}
