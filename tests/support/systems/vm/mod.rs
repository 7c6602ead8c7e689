//! Virtual machines for tests: a disk image made from a root directory, booted by firmware.
//!
//! - [`disk`] creates the image, without loop devices and mounts.
//! - [`agent`] installs the service that runs the test's commands.
//! - [`Machine`] is the disk with the firmware's variables. Each [`Machine::boot`] returns a [`Guest`]: one QEMU from
//!   power-on until the guest powers off or restarts.
//! - [`probe`] runs the boot test's probe in the guest and judges its observations.
//!
//! Firmware (OVMF) starts the boot loader on the EFI system partition, and the boot loader starts the kernel.
//! [`Machine::boot_directly`] uses QEMU's `-kernel`, for an image that has no boot loader yet.

pub mod agent;
pub mod disk;
mod guest;
mod machine;
pub mod probe;

pub use guest::{Finished, Guest};
pub use machine::{Direct, Machine};

/// Programs that the host needs.
pub const PROGRAMS: [&str; 6] = ["qemu-system-x86_64", "qemu-img", "mke2fs", "mkfs.vfat", "mcopy", "sfdisk"];
