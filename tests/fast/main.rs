//! Quick tests that need neither a network nor a real kernel: `cargo test --test fast`.

#![allow(unreachable_pub, reason = "the helpers are shared by several binaries")]

#[path = "../support/mod.rs"]
mod support;

mod boot;
mod build;
mod cli;
mod compare;
mod compare_run;
mod configuration;
mod configure;
mod console;
mod disk_space;
mod docs;
mod doctor;
mod evidence;
mod fuzz;
mod layers;
mod layout;
mod notices;
mod package;
mod patch;
mod process;
mod repo;
mod reproduce;
mod sandbox;
mod sign;
mod skips;
mod sources;
mod store;
mod tool;
mod toolchain;
mod values;
