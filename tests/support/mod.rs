//! Helpers for the tests of all three binaries.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]

pub mod archives;
pub mod browser;
pub mod events;
pub mod fixtures;
pub mod generated;
pub mod http;
pub mod kernel;
pub mod keys;
pub mod memory;
pub mod need;
pub mod output;
pub mod pe;
pub mod repository;
pub mod systems;
pub mod tool;
pub mod volume;
