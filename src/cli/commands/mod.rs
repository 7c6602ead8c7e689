//! One file for each command: its flags and its execution.

pub(crate) mod boot;
pub(crate) mod cache;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod configure;
pub(crate) mod console;
pub(crate) mod doctor;
pub(crate) mod man;
pub(crate) mod package_self;
pub(crate) mod plan;
pub(crate) mod releases;
pub(crate) mod repo;
pub(crate) mod reproduce;
pub(crate) mod run;
pub(crate) mod series;
pub(crate) mod verify;
