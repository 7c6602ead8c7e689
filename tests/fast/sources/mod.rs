//! The stages fetch, verify and unpack, against a kernel.org and a Debian of the test's own.

mod archives;
mod debian;
mod debuggers;
mod downloads;
mod elf;
mod kernel_org;
mod own;
mod server;
mod signatures;
mod world;
