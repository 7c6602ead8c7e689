//! Why there was nothing to judge.

use std::io;
use std::path::{Path, PathBuf};

use super::debuggers;
use super::qemu::QEMU;
use crate::base::error::{Exit, Explain};
use crate::base::{process, store};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{QEMU} is not installed")]
    QemuMissing,
    #[error("QEMU could not run the guest")]
    Qemu { source: process::Error },
    #[error("KVM gave up on the guest: {message}")]
    Kvm { message: String },
    #[error("{} is not a Linux x86 kernel image: it has no boot protocol header", path.display())]
    NotAKernel { path: PathBuf },
    #[error("{} cannot compile the guest's {bits}-bit program", cc.display())]
    Compile { cc: PathBuf, bits: u8, source: process::Error },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("no shell for the guest: neither a static busybox nor the libraries of {} were found", shell.display())]
    NoShell { shell: PathBuf, source: process::Error },
    #[error(transparent)]
    Debuggers(#[from] debuggers::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Debuggers(error) => error.exit(),
            Error::Interrupted | Error::Store(store::Error::Interrupted { .. }) => Exit::Interrupted,
            Error::QemuMissing
            | Error::NoShell { .. }
            | Error::Compile { source: process::Error::Missing { .. }, .. } => Exit::HostLacks,
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Debuggers(error) => error.facts(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::QemuMissing => {
                Some("install qemu-system-x86 (kpatch-build doctor --install-deps), or pass --no-boot".into())
            }
            Error::Kvm { .. } => Some("pass --accel tcg".into()),
            Error::Compile { bits: 32, .. } => Some(
                "the compiler needs -m32; gcc and clang for x86-64 have it without further packages".into(),
            ),
            Error::Debuggers(error) => error.next_step(),
            Error::NoShell { .. } => Some("install busybox-static".into()),
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Debuggers(error) => error.log_and_tail(),
            Error::Qemu { source } | Error::Compile { source, .. } | Error::NoShell { source, .. } => {
                source.log_and_tail()
            }
            _ => (None, &[]),
        }
    }
}

impl Error {
    /// What a run of QEMU that did not end well means.
    pub(super) fn qemu(error: process::Error) -> Error {
        match error {
            process::Error::Missing { .. } => Error::QemuMissing,
            process::Error::Interrupted { .. } => Error::Interrupted,
            source => Error::Qemu { source },
        }
    }
}
