//! One file for each command: its flags, and what it does.

pub mod boot;
pub mod cache;
pub mod cli_reference;
pub mod compare;
pub mod completions;
pub mod doctor;
pub mod man;
pub mod package_self;
pub mod plan;
pub mod releases;
pub mod repo;
pub mod reproduce;
pub mod run;
pub mod series;
pub mod verify;
