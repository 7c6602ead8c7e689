//! The store after a power loss: a file system that is cut off while a run writes to it, or after the run.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::fixtures::packages::{Workspace, contents};
use crate::support::need::have_root;
use crate::support::output::stderr;
use crate::support::volume::Volume;

const NEEDED: [&str; 6] = ["losetup", "mkfs.ext4", "mkfs.xfs", "mount", "umount", "xfs_io"];

/// The first run's duration is 1; the run ends at about 1.
const MOMENTS: [f64; 10] = [0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.3, 4.0];

/// Runs the tool with store and output directory on the volume.
fn start(workspace: &Workspace, series: &str, volume: &Path) -> Child {
    let mut tool = workspace.tool();
    tool.args(["package", "--release", "6.1.5", "--kconfig", "./mine.config", "--packages", "image"]);
    tool.args(["--source", &format!("dir:{}", workspace.tree.path().display()), "--series", series]);
    tool.arg("--store").arg(volume.join("store")).arg("--out").arg(volume.join("out"));
    tool.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(run: Child, moment: &str) -> String {
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{moment}: {}", stderr(&output));
    stderr(&output)
}

/// Cuts the power at each of [`MOMENTS`] of a run with the series `./own`, and expects the next run to write the same
/// packages as a run without a power loss. `before`: the store already has a run without the series.
fn survives(kind: &str, before: bool) {
    let workspace = Workspace::new();
    let prepared = || {
        let volume = Volume::new(kind);
        if before {
            finish(start(&workspace, "none", &volume.path()), kind);
            std::fs::remove_dir_all(volume.path().join("out")).unwrap();
            rustix::fs::sync();
        }
        volume
    };
    let volume = prepared();
    let started = Instant::now();
    finish(start(&workspace, "./own", &volume.path()), kind);
    let (duration, expected) = (started.elapsed(), contents(&volume.path().join("out")));
    assert_eq!(expected.len(), 2);

    for moment in MOMENTS {
        let name = format!("{kind} at {moment}");
        let volume = prepared();
        let mut run = start(&workspace, "./own", &volume.path());
        std::thread::sleep(Duration::mul_f64(duration, moment));
        volume.cut();
        run.wait().unwrap();
        volume.restart();
        let notes = finish(start(&workspace, "./own", &volume.path()), &name);
        assert!(!notes.contains("damaged"), "{name}: an entry had its name before its content\n{notes}");
        assert!(contents(&volume.path().join("out")) == expected, "{name}: other packages\n{notes}");
    }
}

#[test]
fn a_store_on_ext4_survives_a_power_loss() {
    if have_root(&NEEDED) {
        survives("ext4", true);
        survives("ext4", false);
    }
}

#[test]
fn a_store_on_xfs_survives_a_power_loss() {
    if have_root(&NEEDED) {
        survives("xfs", true);
        survives("xfs", false);
    }
}
