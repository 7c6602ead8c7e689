//! Why the toolchain is not usable.

use std::path::{Path, PathBuf};

use crate::base::error::{Exit, Explain};
use crate::base::process;
use crate::base::stop::Interrupted;

/// A program of the toolchain is missing or unsuitable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not in `PATH`.
    #[error("{program} is not installed")]
    Missing {
        /// Name or path of the program.
        program: String,
    },
    /// The compiler is unknown.
    #[error("{} is neither gcc nor clang", cc.display())]
    Unsupported {
        /// Path of the compiler.
        cc: PathBuf,
        /// The first line of its `--version`.
        version: String,
    },
    /// The program does not print a version in a known form.
    #[error("cannot read the version of {program} from {output:?}")]
    Version {
        /// Path of the program.
        program: String,
        /// The first line that it prints.
        output: String,
    },
    /// The program cannot be run.
    #[error("cannot get the version of {program}")]
    Run {
        /// Path of the program.
        program: String,
        /// Why it failed.
        source: process::Error,
    },
    /// The compiler fails on an empty file.
    #[error("the C compiler {cc} cannot compile an empty file")]
    Compile {
        /// Name or path of the compiler.
        cc: String,
        /// Why it failed.
        source: process::Error,
    },
    /// No rustc is recent enough and has the sources of its library.
    #[error("cannot find a usable rustc with the sources of its library")]
    NoRustc {
        /// One line for each rustc with the reason.
        rejected: Vec<String>,
    },
    /// No bindgen is recent enough.
    #[error("cannot find bindgen {oldest} or newer")]
    NoBindgen {
        /// The oldest usable version.
        oldest: String,
        /// One line for each bindgen with the reason.
        rejected: Vec<String>,
    },
    /// No searched directory has a libclang.
    #[error("cannot find libclang")]
    NoLibclang {
        /// The searched directories.
        searched: Vec<PathBuf>,
    },
    /// bindgen cannot load the libclang that was found.
    #[error("bindgen cannot use the libclang in {}", libclang.display())]
    Libclang {
        /// Directory of the library.
        libclang: PathBuf,
        /// The last line that bindgen printed.
        output: String,
    },
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// Whether a program ran and refused its argument. One that was killed has said nothing about it.
    pub(super) fn refuses_flag(&self) -> bool {
        /// The exit status of a program that a signal ended is 128 plus its number, as in a shell.
        const SIGNALLED: i32 = 128;
        let Error::Run { source: process::Error::Failed { status, .. }, .. } = self else { return false };
        status.code().is_some_and(|code| code < SIGNALLED)
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Unsupported { .. } => Exit::Usage,
            Error::Interrupted(_) => Exit::Interrupted,
            _ => Exit::HostLacks,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unsupported { version, .. } => vec![format!("its --version prints: {version}")],
            Error::NoRustc { rejected } | Error::NoBindgen { rejected, .. } => rejected.clone(),
            Error::NoLibclang { searched } => {
                searched.iter().map(|dir| format!("not in {}", dir.display())).collect()
            }
            Error::Libclang { output, .. } => vec![format!("bindgen printed: {output}")],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Missing { .. } => Some("run kpatch-build doctor".to_owned()),
            Error::NoRustc { .. } | Error::NoBindgen { .. } | Error::NoLibclang { .. } => {
                Some("run kpatch-build doctor --lang rust".to_owned())
            }
            Error::Unsupported { .. } => Some("use a gcc or clang: --cc PROGRAM".to_owned()),
            Error::Run { program, .. } => {
                Some(format!("make `{program} --version` work, or name another program"))
            }
            Error::Compile { cc, .. } => Some(format!(
                "make `{cc} -S -x c /dev/null -o /dev/null` work, or use another compiler: --cc PROGRAM"
            )),
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Run { source, .. } | Error::Compile { source, .. } => source.log_and_tail(),
            _ => (None, &[]),
        }
    }
}
