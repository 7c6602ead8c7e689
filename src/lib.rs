//! kpatch-build: from a kernel release number to packages that have booted.
//!
//! The stages stand in pipeline order; [`pipeline::run`] chains them.

pub mod choices;
pub mod context;
pub mod decompress;
pub mod events;
pub mod key;
pub mod makefile;
pub mod name;
pub mod process;
pub mod release;
pub mod stop;
pub mod store;

pub mod plan;

pub mod fetch;
pub mod verify;

pub mod unpack;

pub mod patch;

pub mod configure;

pub mod build;

pub mod sign;

pub mod package;

pub mod evidence;

pub mod claims;

pub mod boot;

pub mod compare;

pub mod repo;

pub mod cache;
pub mod cli;
pub mod distribute;
pub mod doctor;
pub mod error;
pub mod outcome;
pub mod pipeline;
pub mod progress;
pub mod report;
pub mod reproduce;
pub mod request;
pub mod settings;
pub mod show;
pub mod signing;
pub mod toolchain;

/// What a unit test needs of the machine, by the same rule as all other tests.
#[cfg(test)]
#[path = "../tests/support/need.rs"]
#[allow(dead_code, reason = "the unit tests need less than the others")]
mod need;
