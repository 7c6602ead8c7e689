//! Why a kernel cannot be built.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::{Exit, Explain, FREE_SPACE};
use crate::base::process;
use crate::base::stop::Interrupted;
use crate::base::store;
use crate::kernel::kbuild::build_dir;
use crate::kernel::kbuild::diagnosis::{FirstError, Missing};
use crate::kernel::kconfig;

/// A kernel that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of the build reports an error.
    #[error("{first}")]
    Compile {
        /// The first error of the whole build.
        first: FirstError,
        /// The log of the stage.
        log: PathBuf,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// A program or header that the build needs is missing.
    #[error("{missing}")]
    MissingTool {
        /// The program or header.
        missing: Missing,
        /// The log of the stage.
        log: PathBuf,
    },
    /// A program of the build reports a full disk.
    #[error("the disk is full")]
    DiskFull {
        /// The log of the stage.
        log: PathBuf,
    },
    /// The built kernel has a release that is not the planned one with an addition of the tree.
    #[error("the release of the built kernel is {found:?} instead of {expected:?}")]
    KernelRelease {
        /// According to the plan.
        expected: String,
        /// According to `include/config/kernel.release`.
        found: String,
    },
    /// The addition of the tree makes the release too long.
    #[error(transparent)]
    LongRelease(#[from] kconfig::Error),
    /// A second build of a stored kernel has another image.
    #[error("cannot rebuild the stored kernel bit for bit")]
    AnotherImage {
        /// The directory of the stored kernel.
        stored: PathBuf,
    },
    /// objcopy fails.
    #[error("cannot extract sections of {}", file.display())]
    Objcopy {
        /// The ELF file.
        file: PathBuf,
        /// How objcopy ended.
        source: process::Error,
    },
    /// `make` fails without a known error in its output.
    #[error("make failed")]
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
    /// The `O=` directory cannot be used.
    #[error(transparent)]
    BuildDir(#[from] build_dir::Error),
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Store(error) => Some(error),
            Error::BuildDir(error) => Some(error),
            Error::LongRelease(error) => Some(error),
            Error::Interrupted(interrupted) => Some(interrupted),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::MissingTool { .. }
            | Error::DiskFull { .. }
            | Error::Make { source: process::Error::Missing { .. }, .. }
            | Error::Objcopy { source: process::Error::Missing { .. }, .. } => Exit::HostLacks,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::AnotherImage { stored } => vec![
                "an earlier run stored the kernel without the parts that these packages need".to_owned(),
                format!("stored in {}", stored.display()),
            ],
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::MissingTool { .. } => Some("run kpatch-build doctor".to_owned()),
            Error::DiskFull { .. } => Some(FREE_SPACE.to_owned()),
            Error::AnotherImage { .. } => {
                Some("remove that directory; the next run builds kernel and parts again".to_owned())
            }
            Error::KernelRelease { .. } => Some(
                "remove the localversion files of the tree, or leave only lower-case letters, digits, - + . in them"
                    .to_owned(),
            ),
            _ => self.inner()?.next_step(),
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Compile { log, tail, .. } => (Some(log), tail),
            Error::MissingTool { log, .. } | Error::DiskFull { log } => (Some(log), &[]),
            Error::Make { source, log } => (Some(log), source.log_and_tail().1),
            Error::Objcopy { source, .. } => source.log_and_tail(),
            _ => self.inner().map_or((None, &[]), Explain::log_and_tail),
        }
    }
}
