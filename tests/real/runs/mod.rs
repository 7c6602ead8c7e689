//! Whole runs of the tool on a real kernel: what passes, what must fail, and what is interrupted.

mod claims;
mod interrupted;
mod modules;
mod packages;
mod refused;
