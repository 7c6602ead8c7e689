//! Virtual machines made for a test: a disk image from a root folder, booted by its firmware.
//!
//! - [`disk`] makes the image, without loop devices and without mounting anything.
//! - [`agent`] puts into the root what takes the test's commands.
//! - [`Machine`] is the disk with the firmware's variables; each [`Machine::boot`] is a [`Guest`], one QEMU
//!   from power-on until the guest switches off or restarts.
//! - [`probe`] runs the boot test's probe there, and judges.
//!
//! There is no `-kernel` here: firmware (OVMF), the boot loader on the EFI system partition, and
//! what it loads. [`Machine::boot_directly`] is for making the image, before it has a boot loader.

pub mod agent;
pub mod disk;
mod guest;
mod machine;
pub mod probe;

pub use guest::{Finished, Guest};
pub use machine::{Direct, Machine};

/// What the host needs for all of it.
pub const PROGRAMS: [&str; 6] = ["qemu-system-x86_64", "qemu-img", "mke2fs", "mkfs.vfat", "mcopy", "sfdisk"];
