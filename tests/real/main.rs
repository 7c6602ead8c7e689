//! Real kernels, mirrors, package managers, debuggers and machines. A suite takes minutes.
//!
//! Each module is one suite of `tests/suites`: `tests/run vm` installs the packages that the suite needs and
//! runs `cargo test --test real vm::`. The suites share one store and use every processor, so run them with
//! `--test-threads=1`.

#![allow(unreachable_pub, reason = "the helpers are shared by several binaries")]

#[path = "../support/mod.rs"]
mod support;

mod build;
mod campaigns;
mod chain;
mod compare;
mod configure;
mod conformance;
mod damage;
mod debian_image;
mod debuggers;
mod dnf;
mod evidence;
mod fuzz;
mod headers;
mod install;
mod libc_dev;
mod oldest;
mod package;
mod page;
mod patch;
mod qemu;
mod repo;
mod reproducible;
mod runs;
mod rust;
mod secureboot;
mod sources;
mod tool;
mod vm;
mod wordings;
