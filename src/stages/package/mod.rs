//! Package: from a finished kernel to .deb and .rpm, both from one payload.
//!
//! [`payload`] lists what is packaged, once; [`deb`] and [`rpm`] say where each file goes in
//! their format and stream it there. Nothing here depends on the clock, on file times or on
//! the order of a directory: the same kernel gives the same bytes.

mod about;
mod compress;
mod contents;
pub mod deb;
mod depmod;
mod elf;
mod error;
mod meter;
mod names;
mod output;
pub mod payload;
pub mod rpm;
pub mod tool;

use std::path::{Path, PathBuf};

use about::About;
use indicatif::HumanBytes;

use crate::base::context::Context;
use crate::base::options::{Compression, Format, Part};
use crate::base::release::Release;
use crate::base::stage_result::StageResult;
use crate::kernel::KernelPlan;
use crate::stages::build::KernelBuild;

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
    pub part: Part,
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// A package file as it lies in its folder.
#[derive(Clone, Debug)]
pub struct Written {
    pub path: PathBuf,
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
    /// Each must have been kept by the build.
    pub parts: Vec<Part>,
    pub compression: Compression,
    /// The compiler that made the kernel: `gcc 12.2.0`.
    pub compiler: String,
    /// Threads to compress with; the packages do not depend on it.
    pub jobs: usize,
    pub out: PathBuf,
}

impl From<&KernelPlan> for Order {
    fn from(plan: &KernelPlan) -> Order {
        let patches = plan.series.compat.iter().chain(&plan.series.patches);
        Order {
            upstream: plan.release,
            revision: plan.revision,
            series: plan.series.name.clone(),
            title: plan.series.title.clone(),
            patches: patches.map(|patch| patch.name.clone()).collect(),
            formats: plan.formats.clone(),
            parts: plan.parts.clone(),
            compression: plan.compression,
            compiler: plan.toolchain.cc_version.clone(),
            jobs: plan.jobs,
            out: plan.out.clone(),
        }
    }
}

/// What the package of one part of a kernel is made from, in both formats.
struct Job<'a> {
    order: &'a Order,
    names: &'a Names,
    part: Part,
    payload: Payload,
}

/// How packages are written, whatever is in them.
struct How<'a> {
    /// Seconds since the epoch.
    timestamp: u32,
    compression: Compression,
    /// Threads to compress with.
    jobs: usize,
    out: &'a Path,
    meter: &'a Meter<'a>,
}

impl How<'_> {
    fn compression(&self) -> (Compression, usize) {
        (self.compression, self.jobs)
    }
}

/// Writes the packages of the plan's parts and formats into `plan.out`.
///
/// They appear under their names only when all of them are complete, and then take the place of
/// those with the same names. Needs `depmod`.
pub fn package(cx: &Context, plan: &KernelPlan, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    write(cx, &Order::from(plan), build)
}

/// [`package`] for what is not a whole plan.
pub fn write(cx: &Context, order: &Order, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    let names = Names::new(order, build)?;
    let dependencies = depmod::run(cx, build)?;
    let list = |part: &Part| Ok((*part, contents::list(build, *part, dependencies.path())?));
    let payloads = order.parts.iter().map(list).collect::<Result<Vec<_>, Error>>()?;
    // Every file is read once for its checksums and once for each format.
    let bytes: u64 = payloads.iter().map(|(_, payload)| payload.bytes_on_disk()).sum();
    let meter = Meter::new(&cx.events, &cx.stop, bytes * (1 + order.formats.len() as u64));
    let mut ready = Vec::new();
    for (part, mut payload) in payloads {
        payload.measure(&meter)?;
        let job = Job { order, names: &names, part, payload };
        for format in &order.formats {
            ready.push((*format, part, write_one(&job, *format, &meter)?));
        }
    }
    // All of them or none: names are given when nothing is left that takes long.
    if cx.stop.is_set() {
        return Err(Error::Interrupted);
    }
    let publish = |(format, part, ready): (Format, Part, Ready)| {
        let Written { path, name, bytes, sha256 } = ready.publish()?;
        Ok(Package { path, format, part, name, bytes, sha256 })
    };
    ready.into_iter().map(publish).collect()
}

fn write_one(job: &Job, format: Format, meter: &Meter) -> Result<Ready, Error> {
    let order = job.order;
    let how = How {
        timestamp: job.payload.timestamp,
        compression: order.compression,
        jobs: order.jobs,
        out: &order.out,
        meter,
    };
    let about = about::of(job, format);
    match format {
        Format::Deb => {
            let documents = deb::kernel::documents(job, &about);
            deb::write(&deb::kernel::describe(job, &about, &documents)?, &how)
        }
        Format::Rpm => {
            let documents = rpm::kernel::documents(&about);
            rpm::write(rpm::kernel::describe(job, &how, &about, &documents)?, &how)
        }
    }
}

impl StageResult for Vec<Package> {
    fn summary(&self) -> String {
        let total: u64 = self.iter().map(|package| package.bytes).sum();
        format!("{} files, {}", self.len(), HumanBytes(total))
    }
}
