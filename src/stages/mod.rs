//! The stages of a run, in pipeline order. Each stage uses the result of the previous one.

pub mod fetch;
pub mod verify;

pub mod unpack;

pub mod patch;

pub mod configure;

pub mod build;

pub mod secure_boot;

pub mod package;

pub mod boot;
