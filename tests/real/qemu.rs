//! An unpatched kernel in a real QEMU.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kpatch_build::base::context::Context;
use kpatch_build::base::error::Explain;
use kpatch_build::base::events::Events;
use kpatch_build::base::options::Accel;
use kpatch_build::base::process::set_supervisor;
use kpatch_build::base::release::Line;
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::Store;
use kpatch_build::claims::{Claims, Observed, judge};
use kpatch_build::kernel::series;
use kpatch_build::stages::boot::{self, BootRequest, BootResult, Error, Subject};

use crate::support::kernel::{self, Image};
use crate::support::tool::can_boot;

fn context(dir: &Path) -> Context {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    Context {
        store: Store::open(&dir.join("store")).unwrap(),
        events: Events::silent(),
        stop: Stop::default(),
        offline: true,
        logs: dir.join("logs"),
    }
}

/// Returns the unpatched kernel, or `None` if the test is skipped.
fn image() -> Option<PathBuf> {
    can_boot().then(|| kernel::images().remove(0).path)
}

fn request(accel: Option<Accel>, seconds: u64) -> BootRequest {
    let debuggers = boot::debuggers::DebuggerRequest::none();
    BootRequest { accel, deadline: Duration::from_secs(seconds), debuggers, allowances: Vec::new() }
}

fn boot_image(image: &Path, request: &BootRequest, claims: &Claims) -> Result<BootResult, Error> {
    let dir = tempfile::tempdir().unwrap();
    let subject = Subject { image: image.to_owned(), cc: "gcc".into(), claims };
    boot::boot(&context(dir.path()), request, &subject)
}

/// Series whose claims no unpatched kernel meets.
const PATCHED: [&str; 5] = ["copy-segments", "user-segments", "einval-regs", "einval-attach", "hide-threads"];

#[test]
fn real_unpatched_kernels_meet_the_claims_of_their_line() {
    if !can_boot() {
        return;
    }
    for Image { release, path } in kernel::images() {
        let own = if release.starts_with("5.12") { "zeroed" } else { "user-frame" };
        let result =
            boot_image(&path, &request(Some(Accel::Tcg), 120), &series::claims(own).unwrap()).unwrap();
        assert_eq!(result.failures(), [""; 0], "{release}");
        assert!(result.passed() && result.guest_release.unwrap().starts_with(&release));

        let line = Line::patches_for(&release.parse().unwrap());
        let observed =
            Observed { line, ia32: true, observations: &result.observations, requested: &[], debuggers: &[] };
        for name in PATCHED {
            let judged = judge(&series::claims(name).unwrap(), &observed);
            assert!(judged.iter().any(|claim| !claim.holds), "{release} meets the claims of {name}");
        }
    }
}

#[test]
fn real_a_working_accelerator_is_found_and_remembered() {
    let Some(image) = image() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cx = context(dir.path());
    let subject = Subject { image, cc: "gcc".into(), claims: &Claims::default() };
    let first = boot::boot(&cx, &request(None, 120), &subject).unwrap();
    assert!(first.passed(), "{:?}", first.failures());
    let again = boot::boot(&cx, &request(None, 120), &subject).unwrap();
    assert_eq!(again.accelerator, first.accelerator);
    let has_kvm = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    let entries = cx.store.entries(kpatch_build::base::store::Bucket::Hosts).unwrap();
    assert_eq!(entries.len(), usize::from(has_kvm));
}

#[test]
fn real_a_guest_that_misses_its_deadline_fails_with_evidence() {
    let Some(image) = image() else { return };
    let result = boot_image(&image, &request(Some(Accel::Tcg), 1), &Claims::default()).unwrap();
    assert!(!result.passed() && result.claims.is_empty());
    assert_eq!(result.problems.len(), 1, "{:?}", result.problems);
    assert!(result.problems[0].message.contains("console.log"));
}

#[test]
fn real_a_stop_ends_the_boot() {
    let Some(image) = image() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cx = context(dir.path());
    let stop = cx.stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        stop.set();
    });
    let subject = Subject { image, cc: "gcc".into(), claims: &Claims::default() };
    let error = boot::boot(&cx, &request(Some(Accel::Tcg), 120), &subject).unwrap_err();
    assert!(matches!(error, Error::Interrupted(_)) && error.exit() as u8 == 130, "{error:?}");
}

#[test]
fn real_a_missing_compiler_is_named() {
    let Some(image) = image() else { return };
    let dir = tempfile::tempdir().unwrap();
    let subject = Subject { image, cc: "no-such-cc".into(), claims: &Claims::default() };
    let error = boot::boot(&context(dir.path()), &request(None, 5), &subject).unwrap_err();
    assert!(error.to_string().contains("no-such-cc") && error.exit() as u8 == 69, "{error:?}");
}
