//! Errors of the boot test: reasons why there is nothing to judge.

use std::io;
use std::path::{Path, PathBuf};

use super::debuggers;
use super::qemu::QEMU;
use crate::base::error::{Exit, Explain};
use crate::base::stop::Interrupted;
use crate::base::{process, store};

/// A boot test without a result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host has no QEMU.
    #[error("{QEMU} is not installed")]
    QemuMissing,
    /// QEMU failed.
    #[error("QEMU cannot run the guest")]
    Qemu {
        /// The failure of the program.
        source: process::Error,
    },
    /// KVM is requested and its device cannot be opened.
    #[error("cannot open {}", device.display())]
    NoKvm {
        /// The device, `/dev/kvm`.
        device: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// KVM met an internal error.
    #[error("KVM stopped the guest: {message}")]
    Kvm {
        /// QEMU's message.
        message: String,
    },
    /// The image lacks the signatures of the x86 boot protocol.
    #[error("{} is not a Linux x86 kernel image: it has no boot protocol header", path.display())]
    NotAKernel {
        /// The image.
        path: PathBuf,
    },
    /// A program of the guest does not compile.
    #[error("{} cannot compile the guest's {bits}-bit program", cc.display())]
    Compile {
        /// The compiler.
        cc: PathBuf,
        /// Word size of the program: 64 or 32.
        bits: u8,
        /// The failure of the compiler.
        source: process::Error,
    },
    /// The host has no shell that runs in the guest.
    #[error(
        "no shell for the guest: this host has no static busybox, and the libraries of {} cannot be listed",
        shell.display()
    )]
    NoShell {
        /// The host's shell.
        shell: PathBuf,
        /// The failure of `ldd`.
        source: process::Error,
    },
    /// A debugger is not available.
    #[error(transparent)]
    Debuggers(#[from] debuggers::Error),
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
            Error::Debuggers(error) => Some(error),
            Error::Store(error) => Some(error),
            Error::Interrupted(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::QemuMissing
            | Error::NoKvm { .. }
            | Error::NoShell { .. }
            | Error::Compile { source: process::Error::Missing { .. }, .. } => Exit::HostLacks,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::QemuMissing => {
                Some("install qemu-system-x86 (kpatch-build doctor --install-deps), or pass --no-boot".into())
            }
            Error::NoKvm { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("add your user to the group kvm and log in again, or pass --accel tcg".into())
            }
            Error::NoKvm { .. } => Some(
                "load the module kvm_intel or kvm_amd, enable virtualisation, or pass --accel tcg".into(),
            ),
            Error::Kvm { .. } => Some("pass --accel tcg".into()),
            Error::Compile { bits: 32, .. } => Some(
                "use a compiler that supports -m32; gcc and clang for x86-64 need no further packages".into(),
            ),
            Error::NoShell { .. } => Some("install busybox-static".into()),
            _ => self.inner()?.next_step(),
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Qemu { source } | Error::Compile { source, .. } | Error::NoShell { source, .. } => {
                source.log_and_tail()
            }
            _ => self.inner().map_or((None, &[]), Explain::log_and_tail),
        }
    }
}

impl Error {
    /// The error for a run of QEMU that failed.
    pub(super) fn qemu(error: process::Error) -> Error {
        match error {
            process::Error::Missing { .. } => Error::QemuMissing,
            process::Error::Interrupted { .. } => Error::Interrupted(Interrupted),
            source => Error::Qemu { source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Failure;

    #[test]
    fn a_full_disk_is_reported_as_a_lack_of_the_host() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in [Error::Io(full()), Error::Debuggers(debuggers::Error::Io(full()))] {
            assert_eq!(Failure::new(None, &error).exit, Exit::HostLacks, "{error:?}");
        }
    }
}
