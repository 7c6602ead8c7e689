//! What measures a process, which nothing else may run beside: `cargo test --test measure`.

#[path = "../support/mod.rs"]
mod support;

mod memory;
