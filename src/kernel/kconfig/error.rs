//! Why a kernel configuration is refused.

use std::io;

use crate::base::error::{Exit, Explain};

/// A kernel configuration that cannot be used. Every variant is a usage error, reported before anything is
/// written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is neither a shipped fragment nor a file.
    #[error("unknown kconfig {name:?}")]
    Unknown {
        /// The name on the command line.
        name: String,
        /// The most similar shipped name; `None` if none is similar.
        nearest: Option<String>,
        /// All shipped names, sorted.
        known: Vec<String>,
    },
    /// The file cannot be read; the cause names it.
    #[error("cannot read the kconfig {name}")]
    Read {
        /// The path on the command line.
        name: String,
        /// Operation, path and reason.
        source: io::Error,
    },
    /// The file is not a configuration at all.
    #[error("the kconfig {name} is not a text")]
    NotText {
        /// The path on the command line.
        name: String,
    },
    /// A line that `.config` files do not have.
    #[error("line {line} of the kconfig {name} is neither an option nor a comment: {text:?}")]
    Malformed {
        /// The fragment, as named on the command line.
        name: String,
        /// Line of the fragment, from 1.
        line: u32,
        /// The line itself.
        text: String,
    },
    /// `uname -r` cannot show the kernel release.
    #[error("the kernel release {release:?} has {} characters; the limit is 64", release.len())]
    ReleaseTooLong {
        /// The kernel release.
        release: String,
    },
    /// The boot test needs an option that the kernel does not have built in.
    #[error("this kconfig cannot be boot-tested: CONFIG_{symbol} is not built in")]
    NotBootTestable {
        /// The option, without `CONFIG_`.
        symbol: &'static str,
    },
    /// The kernel refuses unsigned modules, and its modules are unsigned.
    #[error("the kernel would refuse its own modules: CONFIG_{symbol} is on, but the modules are unsigned")]
    Unsigned {
        /// The option that demands signatures, without `CONFIG_`.
        symbol: &'static str,
    },
    /// A debug package is requested, debug information is not.
    #[error("the debug package needs debug information, which this kconfig does not request")]
    NoDebugInfo,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unknown { known, .. } => vec![format!("shipped: {}", known.join(", "))],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unknown { nearest: Some(nearest), .. } => {
                Some(format!("use {nearest} if that is what you mean"))
            }
            Error::Unknown { .. } => Some("use a shipped kconfig, or the path of a file".to_owned()),
            Error::ReleaseTooLong { .. } => Some("use a shorter --localversion".to_owned()),
            Error::NotBootTestable { symbol } => {
                Some(format!("set CONFIG_{symbol}=y, or skip the boot test with --no-boot"))
            }
            Error::Unsigned { symbol } => Some(format!(
                "sign them with --secure-boot-key and --secure-boot-cert, or remove CONFIG_{symbol}"
            )),
            Error::NotText { .. } => {
                Some("use a .config, as it is or compressed with gzip, xz or zstd".to_owned())
            }
            Error::NoDebugInfo => Some("add the fragment debug-info: --kconfig NAME,debug-info".to_owned()),
            _ => None,
        }
    }
}
