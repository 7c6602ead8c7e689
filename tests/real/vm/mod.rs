//! The packages of a real kernel in virtual machines that boot through their firmware.
//!
//! The two machines run side by side: without KVM, a guest keeps one processor busy most of the time.

mod deb;
mod rpm;
