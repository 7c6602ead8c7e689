//! SIGKILL at random points: of the tool, of the supervisor of the program that runs, and of both.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};

use super::stand_in::{SERIES, StandIn};
use super::{Campaign, scratch};
use crate::support::fixtures::packages::contents;
use crate::support::need::have;
use crate::support::tool::{LINE, store, tool_in};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Tool,
    Supervisor,
    Both,
}

const VICTIMS: [Victim; 3] = [Victim::Tool, Victim::Supervisor, Victim::Both];

/// The supervisor of the program that `tool` runs now.
fn supervisor(tool: &Child) -> Option<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", tool.id())).ok()?;
    let of_threads = std::fs::read_dir(format!("/proc/{}/task", tool.id())).ok()?.flatten();
    let of_threads = of_threads.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children = of_threads.fold(children, |all, more| all + " " + &more);
    children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()).find_map(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.contains("\0__supervise").then(|| Pid::from_raw(pid))?
    })
}

/// Kills at once, or as soon as a program runs. Returns whether it did before the run ended.
fn strike(run: &mut Child, victim: Victim) -> bool {
    while run.try_wait().unwrap().is_none() {
        let tool = Pid::from_child(run);
        let targets = match (victim, supervisor(run)) {
            (Victim::Tool, _) => vec![tool],
            (Victim::Supervisor, Some(supervisor)) => vec![supervisor],
            (Victim::Both, Some(supervisor)) => vec![supervisor, tool],
            (_, None) => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
        };
        // Stopped first, so that none can act on the death of another.
        for signal in [Signal::STOP, Signal::KILL] {
            let sent = targets.iter().filter(|pid| kill_process(**pid, signal).is_ok()).count();
            if sent < targets.len() && signal == Signal::STOP {
                for pid in &targets {
                    let _ = kill_process(*pid, Signal::CONT);
                }
                return false;
            }
        }
        return true;
    }
    false
}

/// Starts a run, kills after a random part of `duration`, and waits until nothing of the run lives. Returns whether
/// something was killed.
fn disturb(campaign: &mut Campaign, mut run: Child, home: &Path, victim: Victim, duration: Duration) -> bool {
    let moment = duration.mul_f64(campaign.random.gen_range(0.0..1.0));
    std::thread::sleep(moment);
    let hit = strike(&mut run, victim);
    let what = format!("{victim:?} after {} ms", moment.as_millis());
    let code = campaign.end(&mut run, &what);
    let is_expected = match victim {
        _ if !hit => code == Some(0),
        // A supervisor whose program has ended leaves a complete run; 69 if the program examined the host.
        Victim::Supervisor => [Some(0), Some(3), Some(69)].contains(&code),
        Victim::Tool | Victim::Both => code.is_none(),
    };
    assert!(is_expected, "{}: {what}: exit status {code:?}", campaign.label());
    campaign.assert_nothing_lives(home, &what);
    hit
}

/// The stage of the report that a killed run left: the first that was not finished.
fn stage_reached(home: &Path) -> String {
    let report = std::fs::read(home.join("out/report.json")).unwrap_or_default();
    let Ok(report) = serde_json::from_slice::<serde_json::Value>(&report) else { return "plan".to_owned() };
    let stages = report["stages"].as_array().map(|stages| stages.len()).unwrap_or_default();
    let names = ["fetch", "verify", "unpack", "patch", "configure", "build", "package"];
    names.get(stages).copied().unwrap_or("end").to_owned()
}

fn stand_in(campaign: &mut Campaign) {
    let stand_in = StandIn::new();
    let expected = stand_in.undisturbed(campaign);
    let started = Instant::now();
    let home = scratch();
    stand_in.packages(campaign, home.path(), "none");
    let duration = started.elapsed();

    let points = campaign.times(9, 200);
    let mut home = scratch();
    let mut has_missed = false;
    while campaign.counted("kills") < points {
        let number = campaign.counted("kills");
        let victim = VICTIMS[number % VICTIMS.len()];
        // Half of the stores are new, the others have what earlier runs left. A run that finds everything in its store is
        // so short that the next strike would miss it too.
        if number.is_multiple_of(2) || has_missed {
            home = scratch();
        }
        let series = campaign.random.gen_range(0..SERIES.len());
        stand_in.forget_packages(home.path());
        let run = stand_in.start(home.path(), SERIES[series]);
        has_missed = !disturb(campaign, run, home.path(), victim, duration);
        if !has_missed {
            campaign.count("kills");
            campaign.count(format!("of {victim:?}"));
            campaign.count(format!("in {}", stage_reached(home.path())));
        }
        let packages = stand_in.packages(campaign, home.path(), SERIES[series]);
        assert!(packages == expected[series], "{}: other packages after {victim:?}", campaign.label());
    }
}

/// Copies what the tests have fetched, so that the kernel's archive is not fetched again.
fn store_with_archives(home: &Path) -> PathBuf {
    let copy = home.join("store");
    std::fs::create_dir_all(&copy).unwrap();
    for bucket in ["tarballs", "releases", "indexes", "manifests"] {
        let from = store().join(bucket);
        if from.exists() {
            assert!(
                std::process::Command::new("cp").arg("-r").args([&from, &copy]).status().unwrap().success()
            );
        }
    }
    copy
}

/// Kills the build of a real kernel at random points; each run continues where the one before was killed.
fn real_kernel(campaign: &mut Campaign) {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let start = |store: &Path, out: &str| {
        let mut tool = tool_in(
            store,
            &["package", "--release", LINE, "--kconfig", "boot", "--packages", "image", "--progress", "none"],
        );
        tool.args(["--localversion", "-killed"]).arg("--out").arg(home.path().join(out));
        tool.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
    };
    let started = Instant::now();
    assert_eq!(
        campaign.end(&mut start(&store_with_archives(&home.path().join("whole")), "expected"), "a kernel"),
        Some(0)
    );
    let duration = started.elapsed();
    eprintln!("{}: undisturbed, the kernel took {} s", campaign.label(), duration.as_secs());
    std::fs::remove_dir_all(home.path().join("whole")).unwrap();

    let killed = store_with_archives(&home.path().join("killed"));
    let points = 30;
    while campaign.counted("kills in a kernel build") < points {
        let victim = VICTIMS[campaign.counted("kills in a kernel build") % VICTIMS.len()];
        let run = start(&killed, "actual");
        // Each run first repairs what the one before left, and then gets further.
        if disturb(campaign, run, home.path(), victim, duration / 8) {
            campaign.count("kills in a kernel build");
        } else {
            for bucket in ["builds", "results"] {
                std::fs::remove_dir_all(killed.join(bucket)).unwrap();
            }
        }
    }
    assert_eq!(campaign.end(&mut start(&killed, "actual"), "a kernel"), Some(0));
    let [expected, actual] = ["expected", "actual"].map(|out| contents(&home.path().join(out)));
    assert!(!expected.is_empty() && expected == actual, "{}: another kernel", campaign.label());
}

#[test]
fn a_run_that_is_killed_leaves_no_process_and_the_next_run_gives_the_same_packages() {
    if !have(&["gcc", "make", "flex", "bison", "bc", "perl", "depmod"]) {
        return;
    }
    let mut campaign = Campaign::start("kill");
    stand_in(&mut campaign);
    if campaign.is_full {
        real_kernel(&mut campaign);
    }
    campaign.finish();
}
