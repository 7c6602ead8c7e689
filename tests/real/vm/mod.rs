//! Packages of a real kernel in virtual machines that boot through their firmware.
//!
//! The two machines run side by side, because without KVM a guest mostly keeps one processor busy.

mod deb;
mod rpm;
