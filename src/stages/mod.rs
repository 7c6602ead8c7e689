//! The stages of a run, in pipeline order. Each takes the result of the one before.

pub mod fetch;
pub mod verify;

pub mod unpack;

pub mod patch;

pub mod configure;

pub mod build;

pub mod secure_boot;

pub mod package;

pub mod boot;
