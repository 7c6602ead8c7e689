//! A clock that was set back, or ran ahead: for the tool, and in the times of files from earlier runs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::Rng;

use super::stand_in::{Packages, SERIES, StandIn};
use super::{Campaign, scratch};
use crate::support::fixtures::packages::contents;
use crate::support::need::{have, present};
use crate::support::output::must;

/// Debian's package faketime has it.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

const DAY: u64 = 24 * 3600;

/// Offsets of the tool's clock.
const CLOCKS: [&str; 5] = ["-365d", "-1d", "+0d", "+1d", "+365d"];

/// Moves the times of all files that make wrote: a clock set back makes them files of the future.
fn age(dir: &Path, by: Duration) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            age(&entry.path(), by);
        } else if meta.is_file() {
            let file = std::fs::File::options().write(true).open(entry.path()).unwrap();
            file.set_modified(meta.modified().unwrap() + by).unwrap();
        }
    }
}

/// Runs with another clock; returns the packages and the files that make compiled.
fn run(
    campaign: &mut Campaign,
    stand_in: &StandIn,
    home: &Path,
    series: &str,
    clock: &str,
) -> (Packages, usize) {
    let mut tool = stand_in.run(home, "out", series);
    tool.env("LD_PRELOAD", FAKETIME).env("FAKETIME", clock).env("DONT_FAKE_MONOTONIC", "1");
    let log = home.join("out/logs/build.log");
    stand_in.forget_packages(home);
    let code = campaign.end(&mut tool.stdout(Stdio::null()).spawn().unwrap(), clock);
    let messages = stand_in.messages();
    assert_eq!(code, Some(0), "{}: {clock}: {messages}", campaign.label());
    let compiled = std::fs::read_to_string(log).unwrap_or_default().matches("compiling part").count();
    (contents(&home.join("out")), compiled)
}

#[test]
fn runs_with_a_clock_that_was_set_back_give_the_same_packages_without_needless_builds() {
    if !have(&["make", "gcc"]) || !present("faketime", Path::new(FAKETIME).exists()) {
        return;
    }
    let shown = must(Command::new("date").arg("+%Y").env("LD_PRELOAD", FAKETIME).env("FAKETIME", "-3650d"));
    let now = must(Command::new("date").arg("+%Y"));
    assert!(shown != now, "faketime has no effect");
    let mut campaign = Campaign::start("clock");
    let stand_in = StandIn::new();
    let expected = stand_in.undisturbed(&mut campaign);
    let home = scratch();
    let mut built = Vec::new();
    for _ in 0..campaign.times(6, 60) {
        let (series, clock) = (campaign.random.gen_range(0..SERIES.len()), *campaign.any(&CLOCKS));
        let (packages, compiled) = run(&mut campaign, &stand_in, home.path(), SERIES[series], clock);
        let what = format!("{} at {clock}", SERIES[series]);
        assert!(packages == expected[series], "{}: {what}: other packages", campaign.label());
        assert!(!built.contains(&series) || compiled == 0, "{}: {what}: built again", campaign.label());
        built.push(series);
        campaign.count("runs");
        if campaign.counted("clocks set back") == 0 || campaign.random.r#gen() {
            let days = *campaign.any(&[1, 365]);
            age(&home.path().join("store/builds"), Duration::from_secs(days * DAY));
            // Finished kernels would hide what make does.
            std::fs::remove_dir_all(home.path().join("store/results")).unwrap();
            built.clear();
            campaign.count("clocks set back");
            // A series that changes a source: its object is from the future, the source is not.
            let next = (series + 1) % SERIES.len();
            let (packages, first) = run(&mut campaign, &stand_in, home.path(), SERIES[next], "+0d");
            assert!(packages == expected[next], "{}: stale objects", campaign.label());
            std::fs::remove_dir_all(home.path().join("store/results")).unwrap();
            let (_, second) = run(&mut campaign, &stand_in, home.path(), SERIES[next], "+0d");
            assert!(first > 0 && second == 0, "{}: {first} files, then {second}", campaign.label());
            std::fs::remove_dir_all(home.path().join("store/results")).unwrap();
        }
    }
    campaign.finish();
}
