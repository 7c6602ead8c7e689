//! Why a kernel cannot be configured.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Exit, Explain, FREE_SPACE};
use crate::base::process;
use crate::base::stop::Interrupted;
use crate::base::store;
use crate::kernel::kbuild::build_dir;
use crate::kernel::kbuild::diagnosis::Missing;
use crate::kernel::kconfig::{self, LostOption};
use crate::stages::unpack;

/// A kernel that cannot be configured as requested.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration shows that the kernel cannot be boot-tested.
    #[error(transparent)]
    Kconfig(#[from] kconfig::Error),
    /// Requested options do not have their values.
    #[error("{}", summarise(lost))]
    Lost {
        /// The options with the reasons; never empty.
        lost: Vec<LostOption>,
    },
    /// A program or header that kconfig needs is missing.
    #[error("{missing}")]
    MissingTool {
        /// The program or header.
        missing: Missing,
        /// The log of the stage.
        log: PathBuf,
    },
    /// The release needs a newer compiler or linker.
    #[error("the {tool} is too old for this release")]
    TooOld {
        /// As the release calls it: `C compiler`.
        tool: String,
        /// The actual and the minimum version, as the release prints them.
        versions: Vec<String>,
        /// The log of the stage.
        log: PathBuf,
    },
    /// `make rustavailable` fails.
    #[error("{release} does not build with the Rust tools of this host")]
    RustUnavailable {
        /// The release.
        release: String,
        /// Its messages.
        output: Vec<String>,
        /// The log of the stage.
        log: PathBuf,
    },
    /// The file system of the build directory is full.
    #[error("the disk is full")]
    DiskFull {
        /// The log of the stage.
        log: PathBuf,
    },
    /// `make` fails for another reason.
    #[error("kconfig failed")]
    Make {
        /// How make ended.
        source: process::Error,
        /// The log of the stage.
        log: PathBuf,
    },
    /// A file operation failed; the error names operation and path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The source tree cannot be used.
    #[error(transparent)]
    Tree(#[from] unpack::Error),
    /// The `O=` directory cannot be used.
    #[error(transparent)]
    BuildDir(#[from] build_dir::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn summarise(lost: &[LostOption]) -> String {
    match lost {
        [] => String::new(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Kconfig(error) => Some(error),
            Error::Store(error) => Some(error),
            Error::BuildDir(error) => Some(error),
            Error::Tree(error) => Some(error),
            Error::Interrupted(interrupted) => Some(interrupted),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::MissingTool { .. }
            | Error::TooOld { .. }
            | Error::RustUnavailable { .. }
            | Error::DiskFull { .. }
            | Error::Make { source: process::Error::Missing { .. }, .. } => Exit::HostLacks,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Lost { lost } => lost.iter().skip(1).map(LostOption::to_string).collect(),
            Error::TooOld { versions, .. } => versions.clone(),
            Error::RustUnavailable { output, .. } => output.clone(),
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Lost { lost } => lost.first().map(LostOption::next_step),
            Error::MissingTool { .. } => Some("run kpatch-build doctor".to_owned()),
            Error::DiskFull { .. } => Some(FREE_SPACE.to_owned()),
            Error::TooOld { .. } => Some("use a newer compiler: --cc PROGRAM".to_owned()),
            Error::RustUnavailable { .. } => Some(
                "install the required version; the first usable rustc in PATH is used, then /usr/bin/rustc"
                    .to_owned(),
            ),
            _ => self.inner()?.next_step(),
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Make { source, log } => (Some(log), source.log_and_tail().1),
            Error::MissingTool { log, .. }
            | Error::TooOld { log, .. }
            | Error::DiskFull { log }
            | Error::RustUnavailable { log, .. } => (Some(log), &[]),
            _ => self.inner().map_or((None, &[]), Explain::log_and_tail),
        }
    }
}
