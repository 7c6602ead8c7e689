//! Kernel configuration: fragments, the Kconfig language, and why a requested option is missing in `.config`.

mod additions;
mod checks;
mod error;
mod expression;
mod fragment;
pub(crate) mod option_check;
mod options;
mod tree;

pub use additions::CERTIFICATE;
pub(crate) use checks::check_packages;
pub use checks::{check_boot_testable, check_release, check_signing};
pub use error::Error;
pub use option_check::{LostOption, Reason};
pub(crate) use options::BOOT_NEEDS;
pub use options::{Base, FileKind, Kconfig, KconfigFile, RequestedOption};
