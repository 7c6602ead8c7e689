//! The package stage: turns a finished kernel into `.deb` and `.rpm` packages, both from one payload.
//!
//! `payload` lists the packaged files once; `deb` and `rpm` map each file to its place in their format
//! and stream it there. Nothing depends on the clock, on file times or on the order of a directory: the same
//! kernel yields the same bytes.

mod compress;
mod contents;
mod deb;
mod depmod;
mod disk;
mod elf;
mod error;
mod info;
mod job;
mod names;
mod output;
mod payload;
mod payload_reader;
mod request;
mod rpm;
mod self_package_request;

pub mod self_package;

use crate::base::context::Context;
use crate::base::events::Stage;
use crate::base::options::{Format, Part};
use crate::base::stage_result::StageResult;
use crate::kernel::KernelPlan;
use crate::stages::build::KernelBuild;

pub use error::Error;
use indicatif::HumanBytes;
use info::PackageInfo;
use job::{PackageJob, WriteOptions};
use names::KernelNames;
use output::PendingPackage;
pub use output::WrittenPackage;
use payload::{Payload, Role};
use payload_reader::PayloadReader;
pub use request::{Package, PackageRequest};

impl StageResult for Vec<Package> {
    fn summary(&self) -> String {
        let total: u64 = self.iter().map(|package| package.bytes).sum();
        format!("{} files, {}", self.len(), HumanBytes(total))
    }
}

/// Writes the packages of the plan's parts and formats into `plan.out`.
///
/// # Errors
/// See [`write()`].
pub fn package(cx: &Context, plan: &KernelPlan, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    write(cx, &PackageRequest::from(plan), build)
}

/// Writes one package for each part and format of `request` into `request.out`.
///
/// The packages get their names only when all of them are complete; they replace files with the same names.
///
/// # Errors
/// [`Error::Depmod`] if `depmod` is missing or fails, [`Error::NotKept`] if the build did not keep a
/// requested part. No package appears in `request.out` unless renaming the complete files fails.
pub fn write(cx: &Context, request: &PackageRequest, build: &KernelBuild) -> Result<Vec<Package>, Error> {
    let names = KernelNames::new(request, build)?;
    let dependencies = depmod::run(cx, build)?;
    let list = |part: &Part| Ok((*part, contents::list(build, *part, dependencies.path())?));
    let payloads = request.parts.iter().map(list).collect::<Result<Vec<_>, Error>>()?;
    // Every file is read once for its checksums and once for each format.
    let bytes: u64 = payloads.iter().map(|(_, payload)| payload.bytes_on_disk()).sum();
    let reader = PayloadReader::new(&cx.events, &cx.stop, bytes * (1 + request.formats.len() as u64));
    let mut pending = Vec::new();
    for (part, mut payload) in payloads {
        reader.measure(&mut payload)?;
        if part == Part::Headers {
            note_dynamic_programs(cx, &payload)?;
        }
        let job = PackageJob::new(request, &names, part, payload)?;
        if let Some(lacking) = job.missing_for_disk {
            cx.events.note(Stage::Package, no_disk(lacking));
        }
        for format in &request.formats {
            pending.push((*format, part, write_one(&job, *format, &reader)?));
        }
    }
    // All packages or none: they get their names only after all slow work.
    cx.stop.check()?;
    let publish = |(format, part, pending): (Format, Part, PendingPackage)| {
        let WrittenPackage { path, name, bytes, sha256 } = pending.publish()?;
        Ok(Package { path, format, part, name, bytes, sha256 })
    };
    pending.into_iter().map(publish).collect()
}

fn no_disk(lacking: &str) -> String {
    format!(
        "the image is for a virtual machine, and its package does not add it to the boot loader: the kernel lacks \
         {lacking}; --kconfig cloud builds one that starts from a disk"
    )
}

/// Notes that a headers package does not start on older systems than this host.
fn note_dynamic_programs(cx: &Context, payload: &Payload) -> Result<(), Error> {
    let programs = elf::dynamic_programs(payload)?;
    let name = |role: &Role| match role {
        Role::Headers(path) => path.clone(),
        other => format!("{other:?}"),
    };
    if let Some((first, _)) = programs.first() {
        let more = match programs.len() - 1 {
            0 => "is".to_owned(),
            more => format!("and {more} more are"),
        };
        let text = format!(
            "the headers package requires libraries as new as this host's: {} {more} not linked statically",
            name(first)
        );
        cx.events.note(Stage::Package, text);
    }
    Ok(())
}

fn write_one(job: &PackageJob, format: Format, reader: &PayloadReader) -> Result<PendingPackage, Error> {
    let request = job.request;
    let options = WriteOptions {
        timestamp: job.payload.timestamp,
        compression: request.compression,
        jobs: request.jobs,
        out: &request.out,
        reader,
    };
    let info = PackageInfo::of_kernel(job, format);
    match format {
        Format::Deb => {
            let documents = deb::kernel::documents(job, &info);
            deb::write(&deb::kernel::describe(job, &info, &documents)?, &options)
        }
        Format::Rpm => {
            let documents = rpm::kernel::documents(&info);
            rpm::write(rpm::kernel::describe(job, &options, &info, &documents)?, &options)
        }
    }
}
