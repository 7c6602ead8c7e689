//! Whole runs of the tool on a real kernel, including runs that must fail and runs that are interrupted.

mod claims;
mod interrupted;
mod modules;
mod packages;
mod refused;
