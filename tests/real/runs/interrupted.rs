//! Ctrl-C and SIGKILL in every stage: nothing is left running, and the next run continues.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::tool::{LINE, can_boot, read_report, store, tool_in};

/// Starts a whole run with a kernel that no other test builds.
fn start(store: &Path, out: &Path) -> Child {
    let mut command = tool_in(store, &["--release", LINE, "--localversion", "-interrupted"]);
    command.arg("--out").arg(out).args(["--progress", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Waits until `stage` has started and, if it takes long enough, made some progress, or until the run ends.
fn until_stage_runs(child: &mut Child, stage: &str) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["stage"] == stage && event["event"] == "started" {
            break;
        }
    }
    let pause = match stage {
        "build" => 5_000,
        "boot" => 1_000,
        "fetch" | "unpack" | "configure" => 500,
        _ => 0,
    };
    std::thread::sleep(Duration::from_millis(pause));
}

/// Returns the names of this process's descendants. Orphans are among them, because this process is their subreaper.
fn descendants() -> Vec<String> {
    let stat = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let mut fields = tail.split_whitespace();
        (fields.next()? != "Z").then_some((head.to_owned(), fields.next()?.parse::<i32>().ok()?))
    };
    let own = std::process::id() as i32;
    let processes: Vec<i32> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let below = |mut pid: i32| {
        for _ in 0..64 {
            match stat(pid) {
                Some((_, parent)) if parent == own => return true,
                Some((_, parent)) => pid = parent,
                None => return false,
            }
        }
        false
    };
    processes.into_iter().filter(|pid| below(*pid)).filter_map(|pid| Some(stat(pid)?.0)).collect()
}

fn assert_nothing_is_left() {
    let started = Instant::now();
    while !descendants().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5), "still running: {:?}", descendants());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn ctrl_c_and_sigkill_in_each_stage_leave_nothing_running_and_the_next_run_continues() {
    if !can_boot() {
        return;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let out = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    stop_in(["fetch", "verify", "unpack", "patch"], empty.path(), out.path());
    drop(empty);
    stop_in(["configure", "build", "package", "boot"], &store(), out.path());

    let mut child = start(&store(), out.path());
    std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(read_report(out.path())["boot"]["verdict"], "pass");
}

fn stop_in(stages: [&str; 4], store: &Path, out: &Path) {
    for stage in stages {
        for signal in [Signal::INT, Signal::KILL] {
            let mut child = start(store, out);
            until_stage_runs(&mut child, stage);
            kill_process(Pid::from_child(&child), signal).unwrap();
            let status = child.wait().unwrap();
            if signal == Signal::INT {
                assert_eq!(status.code(), Some(130), "Ctrl-C in {stage}");
            } else {
                assert_eq!(status.code(), None, "SIGKILL in {stage}");
            }
            assert_nothing_is_left();
            // The report is readable, whenever the run was killed.
            assert_eq!(read_report(out)["schema"], "kpatch-build/report/1");
        }
    }
}
