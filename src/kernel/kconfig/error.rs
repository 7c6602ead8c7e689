//! Why a kernel configuration is refused.

use std::io;

use crate::base::error::{Exit, Explain};

/// A need of the boot test that a configuration does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetNeed {
    /// Without `CONFIG_`.
    pub symbol: &'static str,
    /// The value that the option has; `n` for an option that is off.
    pub found: String,
    /// A value that meets the need.
    pub wanted: &'static str,
    /// The part of the boot test that needs it.
    pub why: &'static str,
}

impl std::fmt::Display for UnmetNeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let UnmetNeed { symbol, found, why, .. } = self;
        write!(f, "CONFIG_{symbol} is {found}, but {why}")
    }
}

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
    #[error("the kconfig {name} is not a text of at most 16 MiB")]
    NotText {
        /// The path on the command line.
        name: String,
    },
    /// The configuration of a kernel that this program does not build.
    #[error("the kconfig {name} is for {architecture}, but kpatch-build builds kernels for x86-64")]
    OtherArchitecture {
        /// The path on the command line.
        name: String,
        /// As the kernel names it: `arm64`.
        architecture: String,
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
    /// The boot test needs other values of these options.
    #[error("this kconfig cannot be boot-tested: {}", unmet[0])]
    NotBootTestable {
        /// The options; never empty.
        unmet: Vec<UnmetNeed>,
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
            Error::NotBootTestable { unmet } => unmet.iter().skip(1).map(UnmetNeed::to_string).collect(),
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
            Error::NotBootTestable { unmet } => {
                let wanted: Vec<_> =
                    unmet.iter().map(|need| format!("CONFIG_{}={}", need.symbol, need.wanted)).collect();
                Some(format!("set {}, or skip the boot test with --no-boot", wanted.join(" and ")))
            }
            Error::Unsigned { symbol } => Some(format!(
                "sign them with --secure-boot-key and --secure-boot-cert, or remove CONFIG_{symbol}"
            )),
            Error::Read { .. } | Error::NotText { .. } => {
                Some("use a .config, as it is or compressed with gzip, xz or zstd".to_owned())
            }
            Error::OtherArchitecture { .. } => Some("use the configuration of an x86-64 kernel".to_owned()),
            Error::NoDebugInfo => Some("add the fragment debug-info: --kconfig NAME,debug-info".to_owned()),
            _ => None,
        }
    }
}
