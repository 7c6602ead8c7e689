//! The stages fetch, verify and unpack, against a local kernel.org and a local Debian mirror.

mod archives;
mod debian;
mod debuggers;
mod downloads;
mod elf;
mod kernel_org;
mod server;
mod signatures;
mod user_sources;
mod world;
