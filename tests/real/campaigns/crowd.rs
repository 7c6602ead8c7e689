//! Eight runs on one store at once, while others clear it and half of them are killed.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use tempfile::TempDir;

use super::stand_in::{Packages, SERIES, StandIn};
use super::{Campaign, DEADLINE, scratch};
use crate::support::fixtures::packages::contents;
use crate::support::need::have;

const RUNS: usize = 8;

/// What happens to a round, and when, with the run that it concerns.
#[derive(Clone, Copy)]
enum Event {
    Clear,
    Kill(usize),
}

fn clear(stand_in: &StandIn, home: &TempDir) -> Child {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
    tool.args(["cache", "clear", "--store"]).arg(home.path().join("store"));
    tool.current_dir(stand_in.path("")).stdout(Stdio::null()).spawn().unwrap()
}

/// Random moments of a round, in order.
fn events(campaign: &mut Campaign, duration: Duration) -> Vec<(Duration, Event)> {
    let kills = (0..RUNS).step_by(2).map(Event::Kill);
    let all: Vec<_> = kills.chain([Event::Clear; 3]).collect();
    let mut at = |event| (duration.mul_f64(campaign.random.gen_range(0.0..1.0)), event);
    let mut events: Vec<_> = all.into_iter().map(&mut at).collect();
    events.sort_by_key(|(moment, _)| *moment);
    events
}

fn start(stand_in: &StandIn, home: &TempDir, number: usize) -> Child {
    let mut run = stand_in.run(home.path(), &format!("out-{number}"), SERIES[number % SERIES.len()]);
    let messages = std::fs::File::create(stand_in.path(&format!("messages-{number}"))).unwrap();
    run.stderr(messages).spawn().unwrap()
}

/// Waits for all processes; none may wait for another one for ever.
fn wait(campaign: &mut Campaign, processes: &mut [Child]) -> Vec<Option<i32>> {
    processes.iter_mut().map(|process| campaign.end(process, "a run of the crowd")).collect()
}

fn round(
    campaign: &mut Campaign,
    stand_in: &StandIn,
    home: &TempDir,
    expected: &[Packages],
    duration: Duration,
) {
    let started = Instant::now();
    let mut runs: Vec<_> = (0..RUNS).map(|number| start(stand_in, home, number)).collect();
    let mut clears = Vec::new();
    for (moment, event) in events(campaign, duration) {
        std::thread::sleep(moment.saturating_sub(started.elapsed()));
        match event {
            Event::Clear => clears.push(clear(stand_in, home)),
            Event::Kill(number) => runs[number].kill().unwrap(),
        }
    }
    let ends = wait(campaign, &mut runs);
    for code in wait(campaign, &mut clears) {
        assert_eq!(code, Some(0), "{}: cache clear", campaign.label());
        campaign.count("times cleared");
    }
    assert!(started.elapsed() < DEADLINE, "{}: deadlock", campaign.label());
    campaign.assert_nothing_lives(home.path(), "a round of the crowd");
    for (number, code) in ends.into_iter().enumerate() {
        match code {
            None => campaign.count("killed"),
            Some(0) => check(campaign, home, number, expected),
            Some(code) => {
                let messages = std::fs::read_to_string(stand_in.path(&format!("messages-{number}"))).unwrap();
                panic!("{}: run {number} ended with {code}: {messages}", campaign.label());
            }
        }
    }
    // The killed ones again.
    let again: Vec<_> = (0..RUNS).step_by(2).collect();
    let mut runs: Vec<_> = again.iter().map(|number| start(stand_in, home, *number)).collect();
    for (number, code) in again.into_iter().zip(wait(campaign, &mut runs)) {
        assert_eq!(code, Some(0), "{}: run {number} again", campaign.label());
        check(campaign, home, number, expected);
    }
}

fn check(campaign: &mut Campaign, home: &TempDir, number: usize, expected: &[Packages]) {
    let packages = contents(&home.path().join(format!("out-{number}")));
    assert!(packages == expected[number % SERIES.len()], "{}: packages of run {number}", campaign.label());
    campaign.count("right");
}

#[test]
fn eight_runs_on_one_store_get_their_packages_while_it_is_cleared_and_others_are_killed() {
    if !have(&["make", "gcc"]) {
        return;
    }
    let mut campaign = Campaign::start("crowd");
    let stand_in = StandIn::new();
    let started = Instant::now();
    let expected = stand_in.undisturbed(&mut campaign);
    let duration = started.elapsed();
    let home = scratch();
    for _ in 0..campaign.times(1, 15) {
        campaign.count("rounds");
        round(&mut campaign, &stand_in, &home, &expected, duration);
    }
    campaign.finish();
}
