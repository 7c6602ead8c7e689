//! Kernels: configuration, patch series, toolchain, the interface to kbuild, and the needs on the host.

pub mod host_packages;
pub mod kbuild;
pub mod kconfig;
mod plan;
pub mod series;
pub mod toolchain;
pub(crate) mod tree_journal;
pub(crate) mod version;

pub use plan::{KernelPlan, Keys};
