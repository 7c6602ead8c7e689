//! What the stages know about kernels: configuration, series, toolchain, and how kbuild is run.

pub mod host_packages;
pub mod kbuild;
pub mod kconfig;
pub mod plan;
pub mod series;
pub mod toolchain;
pub mod version;

pub use plan::KernelPlan;
