//! Measurements of a process, which must not share the machine with other tests: `cargo test --test measure`.

#![allow(unreachable_pub, reason = "the helpers are shared by several binaries")]

#[path = "../support/mod.rs"]
mod support;

mod memory;
