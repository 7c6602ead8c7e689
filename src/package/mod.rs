//! Package: from a finished kernel to .deb and .rpm, both from one payload.
//!
//! [`payload`] lists what is packaged, once; [`deb`] and [`rpm`] say where each file goes in
//! their format and stream it there. Nothing here depends on the clock, on file times or on
//! the order of a directory: the same kernel gives the same bytes.

mod compress;
mod cpio;
pub mod deb;
mod depmod;
mod error;
mod meter;
mod names;
mod output;
pub mod payload;
pub mod rpm;

use std::path::PathBuf;

use crate::build::KernelBuild;
use crate::context::Context;
use crate::plan::{Format, Plan};
use crate::release::Release;

pub use error::Error;
use meter::Meter;
use names::Names;
use output::Ready;
use payload::Payload;

/// A package in `--out`.
#[derive(Clone, Debug)]
pub struct Package {
    pub path: PathBuf,
    pub format: Format,
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// What a plan says about its packages.
#[derive(Clone, Debug)]
pub struct Order {
    pub upstream: Release,
    /// Counts rebuilds of the same kernel release.
    pub revision: u32,
    /// The series' name and title, and the names of all patches in the order of applying.
    pub series: String,
    pub title: String,
    pub patches: Vec<String>,
    pub formats: Vec<Format>,
    /// Threads to compress with; the packages do not depend on it.
    pub jobs: usize,
    pub out: PathBuf,
}

impl From<&Plan> for Order {
    fn from(plan: &Plan) -> Order {
        let patches = plan.series.compat.iter().chain(&plan.series.patches);
        Order {
            upstream: plan.release,
            revision: plan.revision,
            series: plan.series.name.clone(),
            title: plan.series.title.clone(),
            patches: patches.map(|patch| patch.name.clone()).collect(),
            formats: plan.formats.clone(),
            jobs: plan.jobs,
            out: plan.out.clone(),
        }
    }
}

/// What both formats are made from.
struct Job<'a> {
    order: &'a Order,
    names: Names,
    payload: Payload,
    meter: Meter<'a>,
}

/// Writes the packages of `plan.formats` into `plan.out`.
///
/// They appear under their names only when all of them are complete, and then take the place of
/// those with the same names. Needs `depmod`.
pub fn package(cx: &Context, plan: &Plan, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    write(cx, &Order::from(plan), build)
}

/// [`package`] for what is not a whole plan.
pub fn write(cx: &Context, order: &Order, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    let names = Names::new(order, build)?;
    let dependencies = depmod::run(cx, build)?;
    let mut payload = Payload::list(build, dependencies.path())?;
    // Every file is read once for its checksums and once for each format.
    let meter = Meter::new(cx, payload.bytes_on_disk() * (1 + order.formats.len() as u64));
    payload.measure(&meter)?;
    let job = Job { order, names, payload, meter };
    let write = |format: &Format| match format {
        Format::Deb => deb::write(&job),
        Format::Rpm => rpm::write(&job),
    };
    // All of them or none: names are given when nothing is left that takes long.
    let ready = order.formats.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    if cx.stop.is_set() {
        return Err(Error::Interrupted);
    }
    ready.into_iter().map(Ready::publish).collect()
}
