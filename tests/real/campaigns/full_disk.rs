//! A disk that becomes full, or that runs out of files, at a random point of a stage.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use rand::Rng;
use serde_json::Value;

use super::Campaign;
use super::stand_in::{Packages, SERIES, StandIn};
use crate::support::fixtures::packages::contents;
use crate::support::need::have_root;
use crate::support::volume::{Tmpfs, Volume};

const STAGES: [&str; 7] = ["fetch", "verify", "unpack", "patch", "configure", "build", "package"];

/// Waits until the stage starts, or the run ends. Then reads on in another thread.
fn until(run: &mut Child, stage: &str) {
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "started" && event["stage"] == stage {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
}

/// A run whose disk becomes full when a random stage starts. `fill` gets the random source; the run and the next one
/// use `home`.
fn disturb(
    campaign: &mut Campaign,
    stand_in: &StandIn,
    home: &Path,
    expected: &[Packages],
    fill: &mut dyn FnMut(&mut Campaign) -> String,
    free: &mut dyn FnMut(),
) {
    for name in ["store", "out"] {
        let _ = std::fs::remove_dir_all(home.join(name));
    }
    let series = campaign.random.gen_range(0..SERIES.len());
    if campaign.random.r#gen() {
        stand_in.packages(campaign, home, "none");
        stand_in.forget_packages(home);
    }
    let stage = *campaign.any(&STAGES);
    let mut run = stand_in.run(home, "out", SERIES[series]).stdout(Stdio::piped()).spawn().unwrap();
    until(&mut run, stage);
    let what = format!("{} left in {stage}", fill(campaign));
    let code = campaign.end(&mut run, &what);
    let messages = stand_in.messages();
    match code {
        Some(0) => {
            let packages = contents(&home.join("out"));
            let names: Vec<_> = packages.iter().map(|(name, content)| (name, content.len())).collect();
            assert!(packages == expected[series], "{}: {what}: {names:?} {messages}", campaign.label());
            campaign.count("with enough space");
        }
        code => {
            assert_eq!(code, Some(69), "{}: {what}: {messages}", campaign.label());
            assert!(messages.contains("next: free space"), "{}: {what}: {messages}", campaign.label());
            campaign.count("on a full disk");
            campaign.count(format!("in {}", messages.split(": ").nth(1).unwrap_or("no stage")));
        }
    }
    free();
    campaign.assert_nothing_lives(home, &what);
    let packages = stand_in.packages(campaign, home, SERIES[series]);
    assert!(packages == expected[series], "{}: {what}: other packages", campaign.label());
}

#[test]
fn a_run_that_meets_a_full_disk_says_so_and_the_next_run_gives_the_same_packages() {
    if !have_root(&["mkfs.ext4", "mount", "umount", "make", "gcc"]) {
        return;
    }
    let mut campaign = Campaign::start("full disk");
    let stand_in = StandIn::new();
    let expected = stand_in.undisturbed(&mut campaign);

    let tmpfs = Tmpfs::new();
    for _ in 0..campaign.times(6, 30) {
        let mut fill = |campaign: &mut Campaign| {
            let left = bytes(campaign);
            tmpfs.limit_bytes(left);
            format!("{left} bytes")
        };
        disturb(&mut campaign, &stand_in, tmpfs.path(), &expected, &mut fill, &mut || tmpfs.free());
    }
    let full = campaign.counted("on a full disk");
    assert!(full > 0, "{}: no run met a full disk", campaign.label());
    for _ in 0..campaign.times(4, 20) {
        let mut fill = |campaign: &mut Campaign| {
            let left = campaign.random.gen_range(0..48) >> campaign.random.gen_range(0..5);
            tmpfs.limit_files(left);
            format!("{left} files")
        };
        disturb(&mut campaign, &stand_in, tmpfs.path(), &expected, &mut fill, &mut || tmpfs.free());
    }
    let without_files = campaign.counted("on a full disk");
    assert!(without_files > full, "{}: no run met a disk without files", campaign.label());
    if campaign.is_full {
        on_a_disk(&mut campaign, &stand_in, &expected);
    }
    campaign.finish();
}

/// ext4 allocates blocks when it writes them back, long after the call that wrote.
fn on_a_disk(campaign: &mut Campaign, stand_in: &StandIn, expected: &[Packages]) {
    let volume = Volume::new("ext4");
    for _ in 0..60 {
        let mut fill = |campaign: &mut Campaign| {
            let left = bytes(campaign);
            volume.fill(left);
            format!("{left} bytes")
        };
        let mut free = || std::fs::remove_file(volume.path().join("ballast")).unwrap();
        disturb(campaign, stand_in, &volume.path(), expected, &mut fill, &mut free);
    }
}

/// The bytes that a disk has left: small numbers are as likely as large ones.
fn bytes(campaign: &mut Campaign) -> u64 {
    campaign.random.gen_range(0..3 << 20) >> campaign.random.gen_range(0..10)
}
