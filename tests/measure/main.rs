//! Measurements of a process, which need the machine to themselves: `cargo test --test measure`.

#![allow(unreachable_pub, reason = "the helpers are shared by several binaries")]

#[path = "../support/mod.rs"]
mod support;

mod memory;
