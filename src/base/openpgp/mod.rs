//! OpenPGP: verifying signatures of sources and packages, and signing with the user's key.

pub mod sign;
pub mod verify;
