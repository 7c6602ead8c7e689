//! Packages of a real kernel.
