//! kpatch-build: from a kernel release number to packages that have booted.
//!
//! [`pipeline::run`] chains the stages; ARCHITECTURE.md lists the layers.

#![forbid(unsafe_code)]

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

/// What the fuzzer calls, and the test that runs its corpora. It lives with both, and the program does not use it.
#[doc(hidden)]
#[path = "../tests/fuzz/targets.rs"]
pub mod fuzz;

/// The needs of unit tests on the host; the integration tests use the same file.
#[cfg(test)]
#[path = "../tests/support/need.rs"]
#[allow(dead_code, unreachable_pub, reason = "the test binaries share it, and use more of it")]
mod need;
