//! Kernel configuration: fragments, the Kconfig language, and which requested options survived.

mod expression;
mod fragment;
pub mod option_check;
mod parser;

use std::io;
use std::path::PathBuf;

use crate::base::error::{Exit, Explain};
use crate::base::options::Part;

pub use fragment::{BOOT_NEEDS, Base, Kconfig, Wanted};
pub use option_check::{Lost, Reason};

/// Every one of these is wrong usage: nothing has been written when it is found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no kconfig {name:?}")]
    Unknown { name: String, nearest: Option<String>, known: Vec<String> },
    #[error("cannot read the kconfig {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("line {line} of the kconfig {name} is neither an option nor a comment: {text:?}")]
    Malformed { name: String, line: u32, text: String },
    #[error("the kernel release {release:?} has {} characters, 64 are allowed", release.len())]
    ReleaseTooLong { release: String },
    #[error("this kconfig cannot be boot-tested: CONFIG_{symbol} is not built in")]
    NotBootTestable { symbol: &'static str },
    #[error("the kernel would refuse its own modules: CONFIG_{symbol} is on, and nothing signs them")]
    Unsigned { symbol: &'static str },
    #[error("there is no debug package without debug information, and the kconfig does not ask for it")]
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
            Error::Unknown { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Error::Unknown { .. } => Some("name a shipped kconfig, or a file by its path".to_owned()),
            Error::ReleaseTooLong { .. } => Some("give a shorter --localversion".to_owned()),
            Error::NotBootTestable { symbol } => {
                Some(format!("set CONFIG_{symbol}=y, or build without the boot test: --no-boot"))
            }
            Error::Unsigned { symbol } => Some(format!(
                "sign them with --secure-boot-key and --secure-boot-cert, or leave CONFIG_{symbol} out"
            )),
            Error::NoDebugInfo => {
                Some("put the fragment debug-info on top: --kconfig NAME,debug-info".to_owned())
            }
            _ => None,
        }
    }
}

/// Longest `uname -r`: `struct new_utsname` (include/uapi/linux/utsname.h) has room for 64.
pub const LONGEST_RELEASE: usize = 64;

/// Refuses what the fragments already say cannot be boot-tested.
pub fn check_boot_testable(kconfig: &Kconfig) -> Result<(), Error> {
    match kconfig.boot_obstacle() {
        Some(symbol) => Err(Error::NotBootTestable { symbol }),
        None => Ok(()),
    }
}

/// Refuses what the fragments already say cannot be packaged.
pub fn check_packages(kconfig: &Kconfig, parts: &[Part]) -> Result<(), Error> {
    match parts.contains(&Part::Debug) && !kconfig.has_debug_info() {
        true => Err(Error::NoDebugInfo),
        false => Ok(()),
    }
}

/// Refuses a kernel whose own modules it would not load. `signed`: the tool signs them.
pub fn check_signing(kconfig: &Kconfig, signed: bool) -> Result<(), Error> {
    match kconfig.needs_signed_modules().filter(|_| !signed) {
        Some(symbol) => Err(Error::Unsigned { symbol }),
        None => Ok(()),
    }
}

/// Refuses a kernel release that `uname -r` could not show.
pub fn check_release(release: String) -> Result<(), Error> {
    if release.len() > LONGEST_RELEASE {
        return Err(Error::ReleaseTooLong { release });
    }
    Ok(())
}
