//! Kernel configuration: fragments, the Kconfig language, and why a requested option is missing in `.config`.

mod additions;
mod boot_needs;
mod checks;
mod error;
mod expression;
mod fragment;
mod loss;
pub(crate) mod option_check;
mod options;
mod tree;
mod whole;

pub use additions::CERTIFICATE;
pub(crate) use boot_needs::check_boot_config;
pub use boot_needs::{BootClaims, check_boot_testable};
pub(crate) use checks::check_packages;
pub use checks::{check_release, check_signing};
pub use error::{Error, UnmetNeed};
pub use loss::{HostLack, LostOption, Misfit, Reason};
pub use options::{Base, FileKind, Kconfig, KconfigFile, RequestedOption};
