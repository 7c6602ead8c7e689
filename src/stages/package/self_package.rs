//! The tool's own packages, written like a kernel's.

use super::compress::gzip_of_one_file;
use super::error::Error;
use super::info::PackageInfo;
use super::job::WriteOptions;
use super::output::{PendingPackage, WrittenPackage};
use super::payload::{FileFlags, Payload, PayloadFile, Role};
use super::payload_reader::PayloadReader;
pub use super::self_package_request::{Completions, NAME, SelfPackageRequest};
use super::{deb, rpm};
use crate::base::events::Events;
use crate::base::options::Format;
use crate::base::stop::Stop;

const SERVICE: &str = include_str!("../../../packaging/tool/systemd/kpatch-build-kernel@.service");
const TIMER: &str = include_str!("../../../packaging/tool/systemd/kpatch-build-kernel@.timer");
const NIGHTLY: &str = include_str!("../../../packaging/tool/nightly.toml");

/// Writes one package for each format. They get their names only when all of them are complete.
///
/// # Errors
/// [`Error::Timestamp`] if rpm cannot store the timestamp, [`Error::Io`] if the program cannot be read and
/// [`Error::Write`] if a package cannot be written.
pub fn write(
    events: &Events,
    stop: &Stop,
    request: &SelfPackageRequest,
) -> Result<Vec<WrittenPackage>, Error> {
    let write_format = |format: &Format| write_one(events, stop, request, *format);
    let pending = request.formats.iter().map(write_format).collect::<Result<Vec<_>, Error>>()?;
    pending.into_iter().map(PendingPackage::publish).collect()
}

fn write_one(
    events: &Events,
    stop: &Stop,
    request: &SelfPackageRequest,
    format: Format,
) -> Result<PendingPackage, Error> {
    let info = info(request);
    let mut files = files(request)?;
    files.extend(match format {
        Format::Deb => deb::self_package::files(request, &info)?,
        Format::Rpm => rpm::self_package::files(request, &info),
    });
    let mut payload = Payload::new(request.timestamp, files)?;
    // Each file is read once for its checksums and once for the package.
    let reader = PayloadReader::new(events, stop, 2 * payload.bytes_on_disk());
    reader.measure(&mut payload)?;
    let options = WriteOptions {
        timestamp: payload.timestamp,
        compression: request.compression,
        jobs: request.jobs,
        out: &request.out,
        reader: &reader,
    };
    match format {
        Format::Deb => deb::write(&deb::self_package::describe(&info, &payload)?, &options),
        Format::Rpm => rpm::write(rpm::self_package::describe(&info, &options, &payload)?, &options),
    }
}

fn info(request: &SelfPackageRequest) -> PackageInfo {
    let commit = request.commit.as_ref().map(|commit| format!("Built from the commit {commit}."));
    PackageInfo {
        name: NAME.to_owned(),
        // A pre-release sorts before its release.
        version: request.version.replace('-', "~"),
        revision: request.revision,
        summary: "build, package and boot-test Linux kernels with an io_thread series".to_owned(),
        paragraphs: vec![
            "From a kernel release number to packages that have booted: it fetches and verifies the upstream \
             source of a Linux kernel, applies a patch series about the registers of io_uring's threads, \
             builds the kernel, packages it for dpkg and rpm, and boots it in QEMU, where a probe checks \
             what the series claims."
                .to_owned(),
            "The upstream name of this program is kpatch-build. It is unrelated to the kpatch-build of the \
             live-patching project kpatch. To avoid a conflict, this package installs the program as \
             kpatch-build-kernel; both packages can be installed."
                .to_owned(),
        ],
        licence: "GPL-2.0-or-later",
        homepage: None,
        changes: std::iter::once(format!("Version {}.", request.version)).chain(commit).collect(),
    }
}

/// The files with the same path in both formats.
fn files(request: &SelfPackageRequest) -> Result<Vec<PayloadFile>, Error> {
    let bash = format!("usr/share/bash-completion/completions/{NAME}");
    let fish = format!("usr/share/fish/vendor_completions.d/{NAME}.fish");
    let mut files = vec![
        PayloadFile::on_disk(Role::At(format!("usr/bin/{NAME}")), 0o755, request.program.clone())?,
        PayloadFile::at(bash, request.completions.bash.clone()),
        PayloadFile::at(fish, request.completions.fish.clone()),
        PayloadFile::at(format!("usr/lib/systemd/system/{NAME}@.service"), SERVICE.into()),
        PayloadFile::at(format!("usr/lib/systemd/system/{NAME}@.timer"), TIMER.into()),
        PayloadFile::at(format!("etc/{NAME}/nightly.toml"), NIGHTLY.into()).with_flags(FileFlags::Config),
    ];
    for (name, page) in &request.manual {
        let path = format!("usr/share/man/man1/{name}.gz");
        let page = PayloadFile::at(path, gzip_of_one_file(page));
        files.push(page.with_flags(FileFlags::Documentation));
    }
    Ok(files)
}
