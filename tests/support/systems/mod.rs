//! Systems that packages are installed into: Debian root directories, with dpkg and apt or with rpm and dnf, and
//! virtual machines.

pub mod debian_root;
pub mod rpm_root;
pub mod vm;
