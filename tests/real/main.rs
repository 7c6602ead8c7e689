//! Tests on a real kernel: `cargo test --test real -- --test-threads=1`.
//!
//! They share one store (`KPATCH_BUILD_TEST_STORE`, else in cargo's target folder), so that the
//! kernel is fetched and built once. A missing tool fails them where `CI=true`, else they skip
//! with a message.

mod harness;

mod boot;
mod compare;
mod interrupted;
mod modules;
mod packages;
mod refused;
