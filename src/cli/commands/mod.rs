//! One file for each command.

pub mod cache;
pub mod package_self;
