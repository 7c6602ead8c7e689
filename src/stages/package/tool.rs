//! The tool's own packages, written as a kernel's are.

use std::path::PathBuf;

use super::compress::gzip_of_one_file;
use super::meter::Meter;
use super::output::Ready;
use super::payload::{Nature, Payload, PayloadFile, Role};
use super::{About, Error, How, Written, deb, rpm};
use crate::base::events::Events;
use crate::base::options::{Compression, Format};
use crate::base::stop::Stop;

/// Of the package, and of the program in it: `kpatch-build` is the live-patching tool's in the
/// distributions (packaging/README.md).
pub const NAME: &str = "kpatch-build-kernel";

/// For who installed the package.
pub(super) const README: &str = include_str!("../../../packaging/tool/README");
pub(super) const CHANGELOG: &str = include_str!("../../../CHANGELOG.md");
/// Which crates the program holds.
pub(super) const LOCK: &str = include_str!("../../../Cargo.lock");
const SERVICE: &str = include_str!("../../../packaging/tool/systemd/kpatch-build-kernel@.service");
const TIMER: &str = include_str!("../../../packaging/tool/systemd/kpatch-build-kernel@.timer");
const NIGHTLY: &str = include_str!("../../../packaging/tool/nightly.toml");

/// What the packages are made from, and how.
#[derive(Clone, Debug)]
pub struct ToolOrder {
    pub program: PathBuf,
    /// As Cargo has it: `0.1.0`, `0.1.0-rc.1`.
    pub version: String,
    /// Of the git checkout that the program was built from.
    pub commit: Option<String>,
    /// Counts rebuilds of the same version.
    pub revision: u32,
    /// Manual pages by file name, `kpatch-build-kernel.1` among them.
    pub manual: Vec<(String, Vec<u8>)>,
    pub completions: Completions,
    /// Seconds since the epoch.
    pub timestamp: i64,
    pub formats: Vec<Format>,
    pub compression: Compression,
    /// Threads to compress with; the packages do not depend on it.
    pub jobs: usize,
    pub out: PathBuf,
}

/// A script for each shell.
#[derive(Clone, Debug)]
pub struct Completions {
    pub bash: Vec<u8>,
    pub fish: Vec<u8>,
    pub zsh: Vec<u8>,
}

/// Writes one package for each format. They appear when all of them are complete.
pub fn write(events: &Events, stop: &Stop, order: &ToolOrder) -> Result<Vec<Written>, Error> {
    let one = |format: &Format| write_one(events, stop, order, *format);
    let ready = order.formats.iter().map(one).collect::<Result<Vec<_>, Error>>()?;
    ready.into_iter().map(Ready::publish).collect()
}

fn write_one(events: &Events, stop: &Stop, order: &ToolOrder, format: Format) -> Result<Ready, Error> {
    let about = about(order);
    let mut files = files(order)?;
    files.extend(match format {
        Format::Deb => deb::tool::files(order, &about)?,
        Format::Rpm => rpm::tool::files(order, &about),
    });
    let mut payload = Payload::new(order.timestamp, files)?;
    // Read for its checksums, and for the package.
    let meter = Meter::new(events, stop, 2 * payload.bytes_on_disk());
    payload.measure(&meter)?;
    let how = How {
        timestamp: payload.timestamp,
        compression: order.compression,
        jobs: order.jobs,
        out: &order.out,
        meter: &meter,
    };
    match format {
        Format::Deb => deb::write(&deb::tool::describe(&about, &payload)?, &how),
        Format::Rpm => rpm::write(rpm::tool::describe(&about, &how, &payload)?, &how),
    }
}

fn about(order: &ToolOrder) -> About {
    let commit = order.commit.as_ref().map(|commit| format!("Built from the commit {commit}."));
    About {
        name: NAME.to_owned(),
        // A pre-release sorts before its release.
        version: order.version.replace('-', "~"),
        revision: order.revision,
        summary: "build, package and boot-test Linux kernels with an io_thread series".to_owned(),
        paragraphs: vec![
            "From a kernel release number to packages that have booted: it fetches and verifies the upstream \
             source of a Linux kernel, applies one of the series of patches about the registers of io_uring's \
             threads, builds it, packages it for dpkg and for rpm and boots the result in QEMU, where a probe \
             decides whether the series does what it claims."
                .to_owned(),
            "Upstream calls this program kpatch-build. It shares nothing with the kpatch-build of the \
             live-patching project kpatch but that name, so the program of this package is \
             kpatch-build-kernel, and both can be installed."
                .to_owned(),
        ],
        homepage: None,
        changes: std::iter::once(format!("Version {}.", order.version)).chain(commit).collect(),
    }
}

/// What has the same place in both formats.
fn files(order: &ToolOrder) -> Result<Vec<PayloadFile>, Error> {
    let bash = format!("usr/share/bash-completion/completions/{NAME}");
    let fish = format!("usr/share/fish/vendor_completions.d/{NAME}.fish");
    let mut files = vec![
        PayloadFile::on_disk(Role::At(format!("usr/bin/{NAME}")), 0o755, order.program.clone())?,
        at(bash, order.completions.bash.clone()),
        at(fish, order.completions.fish.clone()),
        at(format!("usr/lib/systemd/system/{NAME}@.service"), SERVICE.into()),
        at(format!("usr/lib/systemd/system/{NAME}@.timer"), TIMER.into()),
        at(format!("etc/{NAME}/nightly.toml"), NIGHTLY.into()).of_nature(Nature::Configuration),
    ];
    for (name, page) in &order.manual {
        let path = format!("usr/share/man/man1/{name}.gz");
        files.push(at(path, gzip_of_one_file(page)).of_nature(Nature::Documentation));
    }
    Ok(files)
}

pub(super) fn at(path: String, content: Vec<u8>) -> PayloadFile {
    PayloadFile::in_memory(Role::At(path), content)
}
