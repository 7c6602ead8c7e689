//! Fetch: from a release to a source archive in the store.

use std::path::PathBuf;

use serde::Serialize;

use crate::context::Context;
use crate::plan::Request;
use crate::release::{Release, ReleaseSpec};

/// `--source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// kernel.org, then Debian.
    Auto,
    KernelOrg,
    Debian,
    Git {
        url: String,
        reference: Option<String>,
    },
    Tarball {
        location: String,
        sha256: Option<String>,
    },
    Directory(PathBuf),
}

/// Where a source came from; the words are those of `report.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Origin {
    #[serde(rename = "kernel.org")]
    KernelOrg,
    #[serde(rename = "debian")]
    Debian,
    #[serde(rename = "git")]
    Git,
    #[serde(rename = "tarball")]
    Tarball,
    #[serde(rename = "directory")]
    Directory,
}

/// One way to get one release, with what it will be verified against.
#[derive(Clone, Debug)]
pub struct Offer {
    pub origin: Origin,
    pub release: Release,
    // H1: location, trust
}

/// A source as it arrived: unverified.
#[derive(Debug)]
pub struct Tarball {
    // H1
}

#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// What the sources offer for `request`, best first. Contacts the sources unless offline.
pub fn offers(_cx: &Context, _request: &Request) -> Result<(Release, Vec<Offer>), Error> {
    todo!("H1 {}", ReleaseSpec::Latest)
}

/// The first offer that can be delivered.
pub fn fetch(_cx: &Context, _offers: &[Offer]) -> Result<Tarball, Error> {
    todo!("H1")
}
