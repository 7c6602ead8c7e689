//! kpatch-build: from a kernel release number to packages that have booted.
//!
//! [`pipeline::run`] chains the stages; ARCHITECTURE.md lists the layers.

pub mod base;
pub mod claims;
pub mod cli;
pub mod compare;
pub mod doctor;
pub mod kernel;
pub mod pipeline;
pub mod repo;
pub mod report;
pub mod reproduce;
pub mod stages;
