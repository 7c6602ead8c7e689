//! The packages of a real kernel in virtual machines that boot through their firmware: `cargo test --test vm_real`.
//!
//! The two machines run side by side: without KVM, a guest keeps one processor busy most of the time.
//! The store is that of the target `real`.

mod deb;
#[path = "../debian_root/mod.rs"]
mod debian_root;
#[path = "../real/harness.rs"]
mod harness;
mod rpm;
#[path = "../rpm_root/mod.rs"]
mod rpm_root;
mod vm;
