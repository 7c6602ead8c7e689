//! Boot: run the kernel in QEMU, observe its io threads, and judge the series' claims.

use std::path::PathBuf;

use crate::claims::Claim;
use crate::context::Context;
use crate::request::BootRequest;

/// What to boot and what to hold it to.
#[derive(Debug)]
pub struct Subject<'a> {
    pub image: PathBuf,
    /// The compiler that makes the probe: the one that built the kernel.
    pub cc: PathBuf,
    pub claims: &'a [Claim],
}

/// `boot` of `report.json`.
#[derive(Debug, serde::Serialize)]
pub struct BootResult {
    // H5
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

pub fn boot(_cx: &Context, _request: &BootRequest, _subject: &Subject) -> Result<BootResult, Error> {
    todo!("H5")
}
impl crate::error::Explain for Error {}

impl BootResult {
    pub fn passed(&self) -> bool {
        todo!()
    }
    pub fn headline(&self) -> String {
        todo!()
    }
    pub fn summary(&self) -> String {
        todo!()
    }
}
pub fn shell(_cx: &Context, _request: &BootRequest, _image: &std::path::Path) -> Result<(), Error> {
    todo!()
}
