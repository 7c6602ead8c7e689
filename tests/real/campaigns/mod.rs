//! Campaigns: many random faults of one kind, and the tool's answer to each. `KPATCH_BUILD_TEST_CAMPAIGN=full` runs
//! the full numbers; otherwise a short form runs. `KPATCH_BUILD_TEST_SEED` repeats the random choices of a campaign.

mod clock;
mod crowd;
mod floods;
mod full_disk;
mod kill;
mod network;
mod stand_in;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::support::memory::{LIMIT, MIB, peak_so_far};

/// The longest that anything may take on a machine that others use too. Longer is a deadlock.
const DEADLINE: Duration = Duration::from_secs(1800);

/// The scale of a campaign, its random numbers and what it measured.
struct Campaign {
    name: &'static str,
    is_full: bool,
    seed: u64,
    random: StdRng,
    started: Instant,
    /// Highest peak of the tool's memory, in bytes.
    peak: u64,
    /// Longest time until the last process of a run had ended.
    slowest_end: Duration,
    counts: BTreeMap<String, usize>,
}

impl Campaign {
    fn start(name: &'static str) -> Campaign {
        let given = std::env::var("KPATCH_BUILD_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| rand::thread_rng().r#gen::<u32>().into());
        let is_full = std::env::var_os("KPATCH_BUILD_TEST_CAMPAIGN").is_some_and(|value| value == "full");
        eprintln!("campaign {name}: KPATCH_BUILD_TEST_SEED={seed}");
        let (random, started) = (StdRng::seed_from_u64(seed), Instant::now());
        let (peak, slowest_end, counts) = (0, Duration::ZERO, BTreeMap::new());
        Campaign { name, is_full, seed, random, started, peak, slowest_end, counts }
    }

    /// The number of repetitions.
    fn times(&self, short: usize, full: usize) -> usize {
        if self.is_full { full } else { short }
    }

    fn any<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.random.gen_range(0..choices.len())]
    }

    /// All of them in the full form, otherwise a random choice of `short`.
    fn chosen<T>(&mut self, short: usize, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut all: Vec<T> = all.into_iter().collect();
        if !self.is_full {
            all.shuffle(&mut self.random);
            all.truncate(short);
        }
        all
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn counted(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Waits until the run ends, measures its memory, and returns its exit status; `None` if a signal ended it.
    fn end(&mut self, run: &mut Child, what: &str) -> Option<i32> {
        let started = Instant::now();
        loop {
            self.peak = self.peak.max(peak_so_far(run).unwrap_or(0));
            if let Some(status) = run.try_wait().unwrap() {
                return status.code();
            }
            if started.elapsed() > DEADLINE {
                let _ = run.kill();
                panic!("{}: {what}: the run does not end", self.label());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asserts that no process lives that works in or with a path below `dir`.
    fn assert_nothing_lives(&mut self, dir: &Path, what: &str) {
        let started = Instant::now();
        loop {
            let left = processes_below(dir);
            if left.is_empty() {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{}: {what}: still there: {left:?}",
                self.label()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.slowest_end = self.slowest_end.max(started.elapsed());
    }

    fn label(&self) -> String {
        format!("campaign {} with seed {}", self.name, self.seed)
    }

    /// Prints what was measured, and asserts the limit of the memory.
    fn finish(self) {
        let counts: Vec<_> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        eprintln!(
            "{}: {}; peak of the tool {} MiB; no process was left, the last ended after {} ms; {} s",
            self.label(),
            counts.join(", "),
            self.peak / MIB,
            self.slowest_end.as_millis(),
            self.started.elapsed().as_secs()
        );
        assert!(0 < self.peak && self.peak < LIMIT, "{}: {} MiB", self.label(), self.peak / MIB);
    }
}

/// A directory for a store. In memory, because the store waits for the disk often: the others who write to it would
/// slow the campaigns down.
fn scratch() -> TempDir {
    match Path::new("/dev/shm").is_dir() {
        true => tempfile::tempdir_in("/dev/shm").unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// The command lines of processes that name `dir` or work in it. Zombies, which do neither, are not among them.
fn processes_below(dir: &Path) -> Vec<String> {
    let found = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
        (works_there || line.contains(dir.to_str()?)).then_some(line)
    });
    found.collect()
}
