//! Package: from a finished kernel to .deb and .rpm, both from one payload.

use std::path::PathBuf;

use crate::build::KernelBuild;
use crate::context::Context;
use crate::plan::{Format, Plan};

/// A package in `--out`.
#[derive(Clone, Debug)]
pub struct Package {
    pub path: PathBuf,
    pub format: Format,
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn package(_cx: &Context, _plan: &Plan, _build: &KernelBuild) -> Result<Vec<Package>, Error> {
    todo!("H4")
}
