//! The whole chain from a release to an installed kernel, which every change must pass. The suite compiles 6.1.y once
//! and boots two series, each with one debugger. dpkg, apt, rpm and dnf install the packages of one series. A browser
//! opens the page that compares both.
//!
//! A separate suite tests each of these steps in depth.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use kpatch_build::claims::{DebuggerOutcome, Hex, Peek};
use kpatch_build::compare::Comparison;

use crate::support::browser::{self, Browser};
use crate::support::need::{have, have_root};
use crate::support::output::must;
use crate::support::repository::Key;
use crate::support::repository::server::Server;
use crate::support::systems::debian_root::Root;
use crate::support::systems::rpm_root::{self, RpmRoot, traces};
use crate::support::tool::{LINE, Run, can_boot};

/// The system with all four package managers, so that only one is created.
const SYSTEM: &str = "chain";
/// The system's packages, in addition to [`rpm_root::PACKAGES`].
const KERNEL_NEEDS: &str = "linux-base,initramfs-tools";
const SERIES: &str = "copy-segments";
/// The gdb of Debian 12.
const GDB: &str = "gdb-13";

fn system() -> Root {
    Root::with(SYSTEM, &format!("{KERNEL_NEEDS},{}", rpm_root::PACKAGES))
}

/// Returns a whole run: fetch, verify, patch, configure, build, package, boot. `None` if the test is skipped.
fn kernel() -> Option<&'static Run> {
    static RUN: OnceLock<Run> = OnceLock::new();
    let run = || Run::new(&["--release", LINE, "--series", SERIES, "--debuggers", GDB]).passed();
    can_boot().then(|| RUN.get_or_init(run))
}

/// Returns a comparison of both series. `None` if the test is skipped.
fn compared() -> Option<&'static Run> {
    static RUN: OnceLock<Run> = OnceLock::new();
    let args = ["compare", "--release", LINE, "--series", "zeroed,copy-segments", "--debuggers", GDB];
    can_boot().then(|| RUN.get_or_init(|| Run::new(&args).passed()))
}

fn release(run: &Run) -> String {
    run.report()["kernel"]["release"].as_str().unwrap().to_owned()
}

#[test]
fn a_kernel_is_built_packaged_and_booted_and_its_output_verifies() {
    let Some(run) = kernel() else { return };
    let report = run.report();
    assert_eq!(report["boot"]["verdict"], "pass");
    let debuggers = report["boot"]["debuggers"].as_array().unwrap();
    let runs: Vec<_> = debuggers.iter().map(|run| (&run["tracee_bits"], &run["outcome"])).collect();
    assert_eq!(runs, [(&64.into(), &"clean".into()), (&32.into(), &"clean".into())]);
    let artifacts = report["artifacts"].as_array().unwrap();
    let kinds: Vec<_> = artifacts.iter().map(|package| (&package["kind"], &package["part"])).collect();
    assert_eq!(kinds.len(), 4, "image and headers in both formats: {kinds:?}");
    must(Command::new(env!("CARGO_BIN_EXE_kpatch-build")).arg("verify").arg(run.out.path()));
}

#[test]
fn each_series_shows_its_own_registers_to_gdb() {
    let Some(run) = compared() else { return };
    let comparison = Comparison::load(&run.out.path().join("compare.json")).unwrap();
    let cells: Vec<_> = comparison.cells.iter().map(|cell| (cell.series.as_str(), cell)).collect();
    let [("zeroed", zeroed), (SERIES, copied)] = cells[..] else { panic!("{:?}", comparison.series) };
    for (cell, cs) in [(zeroed, Hex(0)), (copied, Hex(0x33))] {
        assert!(cell.boot.passed(), "{}: {:?}", cell.series, cell.boot.failures());
        let io = cell.boot.observations.iter().filter(|seen| seen.tracee_bits == 64 && seen.is_io_thread());
        let shown: Vec<_> = io.map(|seen| &seen.peekuser_cs).collect();
        assert!(
            shown.len() >= 2 && shown.iter().all(|shown| **shown == Some(Peek::Value(cs))),
            "{}: {shown:?}",
            cell.series
        );
    }
    // gdb 10 warns about zeroed; newer versions do not.
    for (_, cell) in cells {
        let outcomes: Vec<_> = cell.boot.debuggers.iter().map(|run| (run.tracee_bits, run.outcome)).collect();
        assert_eq!(outcomes, [(64, DebuggerOutcome::Clean), (32, DebuggerOutcome::Clean)], "{}", cell.series);
    }
}

#[test]
fn the_page_of_the_comparison_has_no_fault_in_a_browser() {
    if !have(&browser::PROGRAMS) {
        return;
    }
    let Some(run) = compared() else { return };
    let page = fs::read_to_string(run.out.path().join("compare.html")).unwrap();
    Browser::new().check(&page);
}

/// Copies the package of the image into the root and returns its path there.
fn deliver(run: &Run, kind: &str, root: &Path) -> String {
    let package = run.artifact(kind, "image");
    let path = format!("/{}", package.file_name().unwrap().to_str().unwrap());
    fs::copy(&package, root.join(&path[1..])).unwrap();
    path
}

#[test]
fn dpkg_and_apt_install_and_remove_the_kernel() {
    let needed = ["chroot", "mmdebstrap", "apt-get"];
    let Some(run) = have_root(&needed).then(kernel).flatten() else { return };
    let (root, release) = (system(), release(run));
    let installed = || {
        assert_eq!(root.must("dpkg --audit"), "");
        assert_eq!(root.must(&format!("dpkg --verify linux-image-{release}")), "");
        // The kconfig boot has no disks, so the machine keeps its own kernel.
        assert!(root.join(&format!("/lib/modules/{release}/vmlinuz")).exists());
        assert_eq!(root.must("ls -d /vmlinuz /boot/vmlinuz-* 2> /dev/null || :"), "");
    };
    root.must(&format!("dpkg -i {}", deliver(run, "deb", root.path())));
    installed();
    root.must(&format!("dpkg --purge linux-image-{release}"));
    assert_eq!(root.traces(&release), "");

    let site = Site::new(run);
    let _ = fs::remove_file(root.join("/etc/apt/sources.list"));
    site.copy("kpatch-build.sources", &root.join("/etc/apt/sources.list.d"));
    site.copy("kpatch-build.asc", &root.join("/etc/apt/keyrings"));
    root.must("apt-get -o APT::Update::Error-Mode=any update");
    root.must(&format!("apt-get install -y linux-image-{release}"));
    installed();
    root.must(&format!("apt-get purge -y linux-image-{release}"));
    assert_eq!(root.traces(&release), "");
}

#[test]
fn rpm_and_dnf_install_and_remove_the_kernel() {
    let Some(run) = have_root(&rpm_root::PROGRAMS).then(kernel).flatten() else { return };
    let (root, release) = (RpmRoot::of(system()), release(run));
    let name = format!("kernel-kpatch-{release}");
    let installed = || {
        assert_eq!(root.must(&format!("rpm --verify {name}")), "");
        // The kconfig boot has no disks, so the machine keeps its own kernel.
        assert!(root.join(&format!("/lib/modules/{release}/vmlinuz")).exists());
        let entries = root.must(&format!("find /boot -name '*{release}*'"));
        assert_eq!(entries, "");
    };
    root.must(&format!("rpm --install {}", deliver(run, "rpm", root.path())));
    installed();
    root.must(&format!("rpm --erase {name}"));
    assert_eq!(root.must(&traces(&release)), "");

    let site = Site::new(run);
    site.copy("kpatch-build.repo", &root.join("/etc/yum.repos.d"));
    root.must(&format!("dnf -y --setopt=skip_if_unavailable=False install {name}"));
    installed();
    root.must(&format!("dnf -y remove {name}"));
    assert_eq!(root.must(&traces(&release)), "");
}

/// The packages of a run, in a repository on a web server.
struct Site {
    dir: tempfile::TempDir,
    _server: Server,
}

impl Site {
    fn new(run: &Run) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (server, key) = (Server::of(dir.path()), Key::new());
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
        command.arg("repo").arg(run.out.path()).args(["--url", &server.url, "--openpgp-key"]);
        must(command.arg(key.path()).arg("--out").arg(dir.path()));
        Site { dir, _server: server }
    }

    /// Copies a file of the repository, as the documentation instructs users.
    fn copy(&self, name: &str, to: &Path) {
        fs::create_dir_all(to).unwrap();
        fs::copy(self.dir.path().join(name), to.join(name)).unwrap();
    }
}
