//! The boot test's probe, run in a system next to other programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kpatch_build::base::context::Context;
use kpatch_build::base::events::Events;
use kpatch_build::base::process::set_supervisor;
use kpatch_build::base::release::{Line, Release};
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::Store;
use kpatch_build::claims::{Observed, judge};
use kpatch_build::kernel::series;
use kpatch_build::stages::boot::{Records, programs};

use super::Guest;

/// Adds the probe's programs to the delivery, as the directory `probe`.
pub fn add(delivery: &Path) {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    let scratch = tempfile::tempdir().unwrap();
    let cx = Context {
        store: Store::open(&scratch.path().join("store")).unwrap(),
        events: Events::silent(),
        stop: Stop::default(),
        offline: true,
        logs: scratch.path().join("logs"),
    };
    let directory = delivery.join("probe");
    fs::create_dir(&directory).unwrap();
    for program in programs(&cx, Path::new("gcc")).unwrap() {
        let path = directory.join(program.name);
        fs::write(&path, program.content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Runs the probe in the guest's directory `programs`, and asserts that its observations meet the claims of `series`
/// and the claims that every series shares.
pub fn passes(guest: &mut Guest, programs: &str, series: &str) {
    let copy = format!("rm -rf /root/probe && cp -r {programs} /root/probe");
    let seen = guest.must(&format!("{copy} && unshare --mount chroot /root/probe /init"));
    guest.must("rm -rf /root/probe");
    let mut records = Records::default();
    for line in seen.lines() {
        records.read_line(line);
    }
    records.finish();
    assert!(records.damage.is_none() && records.ended(), "{:?}\n{seen}", records.damage);
    assert!(records.missing.is_empty(), "{:?}", records.missing);

    let running = records.release.as_deref().expect("the probe reports the kernel release");
    let release: Release = running.split('-').next().unwrap().parse().unwrap();
    let observed = Observed {
        line: Line::patches_for(&release),
        ia32: true,
        observations: &records.observations,
        requested: &[],
        debuggers: &[],
    };
    let judged = judge(&series::claims(series).unwrap(), &observed);
    let failed: Vec<_> = judged.iter().filter_map(|claim| claim.failure()).collect();
    assert!(failed.is_empty(), "{running}: {failed:#?}\nnotes: {:?}", records.notes);
    assert!(!judged.is_empty(), "{running}: no claim was judged");
    eprintln!("the probe on {running}: {} claims held", judged.len());
}
