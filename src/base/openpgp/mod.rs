//! OpenPGP: verifying signatures of sources and packages, and signing with the user's key.

pub mod keyring;
pub mod sign;
pub mod verify;
