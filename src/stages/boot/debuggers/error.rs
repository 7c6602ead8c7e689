//! Why a debugger cannot be prepared.

use std::io;
use std::path::{Path, PathBuf};

use super::selection::DebuggerName;
use crate::base::archive::path::Unsafe;
use crate::base::error::{Exit, Explain};
use crate::base::openpgp::keyring::KeyringError;
use crate::base::stop::Interrupted;
use crate::base::{debian, process, store};

/// A debugger that cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The trusted certificates cannot be read.
    #[error("cannot determine the trusted Debian keys")]
    Keyring {
        /// The cause.
        source: KeyringError,
    },
    /// A package cannot be fetched or verified.
    #[error("cannot get {debugger} from Debian")]
    Debian {
        /// The debugger.
        debugger: DebuggerName,
        /// The cause.
        source: debian::error::Error,
    },
    /// The suite provides another major version than the debugger's name states.
    #[error("Debian's {suite} has gdb {found}, not {debugger}")]
    OtherVersion {
        /// The debugger.
        debugger: DebuggerName,
        /// The Debian suite.
        suite: &'static str,
        /// The upstream version in that suite.
        found: String,
    },
    /// A package is damaged.
    #[error("cannot read the package {package}: it is not a valid .deb")]
    NotADeb {
        /// Name of the package.
        package: String,
        /// The fault.
        source: io::Error,
    },
    /// An entry of a package would be written outside its directory.
    #[error("the package {package} is not safe to unpack: {}: {reason}", entry.display())]
    Unsafe {
        /// Name of the package.
        package: String,
        /// The entry.
        entry: PathBuf,
        /// The rule that the entry violates.
        reason: Unsafe,
    },
    /// A library is missing.
    #[error("{debugger} is incomplete: {needed_by} needs {library}, which none of its packages contains")]
    Incomplete {
        /// Name of the debugger.
        debugger: String,
        /// Path of the program or library that needs the missing one.
        needed_by: String,
        /// Name of the missing library.
        library: String,
    },
    /// A program or library is not an ELF file.
    #[error("{} is not a program for this machine", path.display())]
    NotElf {
        /// Path in the root directory.
        path: PathBuf,
        /// The fault.
        source: goblin::error::Error,
    },
    /// The request names the host's debuggers, and the host has none.
    #[error("this host has neither gdb nor strace")]
    NoneOnHost,
    /// A debugger of the host does not start.
    #[error("the host's {} does not run", program.display())]
    Host {
        /// Path of the program.
        program: PathBuf,
        /// The failure of the program.
        source: process::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file operation failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The run was interrupted.
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
