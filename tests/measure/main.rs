//! Measurements of a process, which need the machine to themselves: `cargo test --test measure`.

#[path = "../support/mod.rs"]
mod support;

mod memory;
