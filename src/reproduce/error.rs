//! Why packages cannot be reproduced.

use std::io;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::store;
use crate::base::x509::{Identity, KeyError};
use crate::kernel::kconfig;
use crate::report::ReadError;
use crate::stages::fetch::SourceSpecError;

/// Errors of `reproduce` itself. Its runs fail with the errors of the pipeline.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The report cannot be read.
    #[error(transparent)]
    Report(#[from] ReadError),
    /// A recorded kconfig does not exist or cannot be read.
    #[error(transparent)]
    Kconfig(#[from] kconfig::Error),
    /// The Secure Boot key or its certificate cannot be used.
    #[error(transparent)]
    SecureBoot(#[from] KeyError),
    /// The recorded source cannot be expressed as `--source`.
    #[error(transparent)]
    Source(#[from] SourceSpecError),
    /// The run of the report wrote no packages.
    #[error("{} lists no packages to compare with", report.display())]
    NoPackages {
        /// The report.
        report: PathBuf,
    },
    /// The output directory has the recorded packages.
    #[error("{} is the directory of the report, whose packages would be overwritten", out.display())]
    SameDirectory {
        /// The output directory.
        out: PathBuf,
    },
    /// The kernel's build system cannot work below such a path.
    #[error("the path of the directory {} has the character {character:?}, which the kernel's build cannot handle", out.display())]
    OutPath {
        /// The output directory.
        out: PathBuf,
        /// The first such character.
        character: char,
    },
    /// The kernel is signed and no key is given.
    #[error("the kernel is signed for Secure Boot, and only its key reproduces the packages")]
    Signed {
        /// The certificate of the key.
        recorded: Identity,
    },
    /// A key is given and the kernel is not signed.
    #[error("the recorded kernel is not signed")]
    NotSigned,
    /// The given key is not the recorded one.
    #[error("the kernel was signed with the key of another certificate")]
    OtherSigner {
        /// The recorded certificate.
        recorded: Identity,
        /// The given certificate.
        given: Identity,
    },
    /// The source has another digest.
    #[error("the source is not the recorded one")]
    OtherSource {
        /// The recorded SHA-256.
        recorded: String,
        /// The SHA-256 of the source that was found.
        found: String,
    },
    /// The series has other patches here.
    #[error("the patches are not the recorded ones")]
    OtherPatches {
        /// The differences, one line each.
        differences: Vec<String>,
    },
    /// The report names something of this machine that runs in a build, and a stranger's report could choose it.
    #[error("the report names {} of this machine, which the build would run", names(.0))]
    Unvouched(Vec<Restated>),
    /// The current directory, which the output directory is relative to, is unknown.
    #[error("cannot determine the current directory")]
    CurrentDirectory(#[source] io::Error),
    /// The temporary store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The temporary store cannot be removed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A value of the report that the command line must repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restated {
    /// What it is: `a compiler`.
    pub(crate) what: &'static str,
    /// The flag that repeats it, without dashes.
    pub(crate) flag: &'static str,
    /// The value.
    pub(crate) value: String,
}

fn names(restated: &[Restated]) -> String {
    restated.iter().map(|name| name.what).collect::<Vec<_>>().join(", ")
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Report(error) => Some(error),
            Error::Kconfig(error) => Some(error),
            Error::Source(error) => Some(error),
            Error::SecureBoot(error) => Some(error),
            Error::Store(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::Store(error) => error.exit(),
            Error::Io(_) => Exit::StageFailed,
            Error::OtherSource { .. } | Error::OtherPatches { .. } => Exit::StageFailed,
            _ => Exit::Usage,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::OtherSource { recorded, found } => {
                vec![format!("recorded: {recorded}"), format!("found: {found}")]
            }
            Error::OtherPatches { differences } => differences.clone(),
            Error::Unvouched(names) => {
                names.iter().map(|name| format!("{}: {}", name.what, name.value)).collect()
            }
            Error::Signed { recorded } => vec![format!("signed by: {recorded}")],
            Error::OtherSigner { recorded, given } => {
                vec![format!("signed by: {recorded}"), format!("given: {given}")]
            }
            _ => self.inner().map_or_else(Vec::new, Explain::facts),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::SameDirectory { .. } | Error::OutPath { .. } => {
                Some("use another directory with --out".into())
            }
            Error::Signed { .. } | Error::OtherSigner { .. } => {
                Some("name its key and certificate with --secure-boot-key and --secure-boot-cert".into())
            }
            Error::Unvouched(names) => {
                let flags: Vec<_> =
                    names.iter().map(|name| format!("--{} '{}'", name.flag, name.value)).collect();
                Some(format!("if you trust the report, repeat what it names: {}", flags.join(" ")))
            }
            Error::NotSigned => Some("omit --secure-boot-key and --secure-boot-cert".into()),
            Error::OtherSource { .. } => Some("name the recorded source with --source".into()),
            Error::OtherPatches { .. } => Some(
                "use the version of kpatch-build, or the directory of patches, that wrote the packages"
                    .into(),
            ),
            _ => self.inner()?.next_step(),
        }
    }
}
