//! Programs end with the run, however the run ends.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kpatch_build::base::process::{Command, Error, Flow, set_supervisor};
use kpatch_build::base::stop::Stop;

fn sh(script: &str) -> Command<'_> {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    Command::new("sh").arg("-c").arg(script)
}

/// Returns a number of seconds that no other test sleeps for, which identifies the test's processes.
fn marker() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{:03}", 100_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn alive(marker: &str) -> usize {
    let sleeps = |path: PathBuf| {
        std::fs::read(path.join("cmdline"))
            .is_ok_and(|line| line.starts_with(b"sleep\0") && String::from_utf8_lossy(&line).contains(marker))
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| sleeps(entry.path())).count()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(10), "timed out: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One sleep in the foreground, one in the background, one in a separate session.
fn sleepers(marker: &str) -> String {
    format!("sleep {marker} & setsid sleep {marker} & sleep {marker}")
}

#[test]
fn output_is_logged_and_the_error_has_its_last_lines() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("x.log");
    let error = sh("echo one; echo two >&2; exit 3").log(&log).run(&Stop::default()).unwrap_err();
    assert_eq!(error.to_string(), "sh ended with exit status 3");
    let (path, tail) = error.log_and_tail();
    assert_eq!(path, Some(log.as_path()));
    assert!(tail.contains(&"one".into()) && tail.contains(&"two".into()), "{tail:?}");
    assert!(std::fs::read_to_string(log).unwrap().contains("two"));
}

#[test]
fn the_environment_is_explicit() {
    let output = sh("env").env("GIVEN", "1").capture().run(&Stop::default()).unwrap().text();
    assert!(output.contains("GIVEN=1") && output.contains("LC_ALL=C"), "{output}");
    assert!(!output.contains("CARGO"), "{output}");
}

#[test]
fn a_missing_program_is_named() {
    let error = Command::new("no-such-program").run(&Stop::default()).unwrap_err();
    assert!(matches!(&error, Error::Missing { program } if program == "no-such-program"), "{error:?}");
}

#[test]
fn a_deadline_ends_the_program_and_its_descendants() {
    let marker = marker();
    let started = Instant::now();
    let error =
        sh(&sleepers(&marker)).deadline(Duration::from_millis(500)).run(&Stop::default()).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(alive(&marker), 0);
}

#[test]
fn a_stop_ends_the_program_and_its_descendants() {
    let (marker, stop) = (marker(), Stop::default());
    let seen = marker.clone();
    let trigger = stop.clone();
    std::thread::spawn(move || {
        wait_for("the sleeps start", || alive(&seen) == 3);
        trigger.set();
    });
    let error = sh(&sleepers(&marker)).run(&stop).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert_eq!(alive(&marker), 0);
}

#[test]
fn background_processes_end_with_their_program() {
    let marker = marker();
    sh(&format!("setsid sleep {marker} >/dev/null 2>&1 &")).run(&Stop::default()).unwrap();
    assert_eq!(alive(&marker), 0);
}

#[test]
fn a_line_handler_can_end_the_program() {
    let marker = marker();
    let script = format!("echo ready; sleep {marker}");
    let flow = |line: &str| if line == "ready" { Flow::Enough } else { Flow::Continue };
    sh(&script).on_line(flow).run(&Stop::default()).unwrap();
    assert_eq!(alive(&marker), 0);
}

/// Starts a supervisor as the tool does, and waits until its program has started all processes.
fn supervisor(marker: &str) -> std::process::Child {
    let supervisor = std::process::Command::new(env!("CARGO_BIN_EXE_kpatch-build"))
        .args(["__supervise", "sh", "-c", &sleepers(marker)])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the sleeps start", || alive(marker) == 3);
    supervisor
}

/// When SIGKILL ends the tool, the only trace is that its end of the lifeline closes.
#[test]
fn programs_end_when_the_tool_is_killed() {
    let marker = marker();
    let mut supervisor = supervisor(&marker);
    drop(supervisor.stdin.take());
    supervisor.wait().unwrap();
    assert_eq!(alive(&marker), 0);
}

/// Processes whose command line has `marker` in it and starts with `words`, the name of the program aside.
fn processes(words: &[&str], marker: &str) -> Vec<i32> {
    let matches = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut arguments = line.split('\0').skip(1);
        words.iter().all(|word| arguments.next() == Some(word)) && line.contains(marker)
    };
    let found = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(matches);
    found.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}

/// Kills all of them before one of them can notice the death of another.
fn kill(pids: &[i32]) {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::STOP, Signal::KILL] {
        for pid in pids {
            kill_process(Pid::from_raw(*pid).unwrap(), signal).unwrap();
        }
    }
}

/// Neither the supervisor's death nor the guard's nor both leave a program behind or block the tool.
#[test]
fn programs_end_when_supervisor_or_guard_is_killed() {
    for victims in [&["__supervise"][..], &["__guard"], &["__supervise", "__guard"]] {
        let marker = marker();
        // No process in a session of its own: after the death of both, only the process group is known.
        let script = format!("sleep {marker} & sleep {marker}");
        let run = std::thread::spawn(move || sh(&script).run(&Stop::default()).map(drop));
        wait_for("the sleeps start", || alive(&marker) == 2);
        let found: Vec<_> = victims.iter().flat_map(|victim| processes(&[victim], &marker)).collect();
        assert_eq!(found.len(), victims.len(), "{victims:?}");
        kill(&found);
        wait_for("the sleeps end", || alive(&marker) == 0);
        wait_for("the tool notices", || run.is_finished());
        let error = run.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("killed by signal 9"), "{victims:?}: {error}");
    }
}

/// The guard's command line does not contain the tool's name, so `pkill -f` of that name misses the guard.
#[test]
fn programs_end_when_tool_and_supervisor_are_killed() {
    let marker = marker();
    let mut supervisor = supervisor(&marker);
    let [guard] = processes(&["__guard"], &marker)[..] else { panic!("there is one guard") };
    assert!(!std::fs::read_to_string(format!("/proc/{guard}/cmdline")).unwrap().contains("kpatch-build"));
    supervisor.kill().unwrap();
    drop(supervisor.stdin.take());
    supervisor.wait().unwrap();
    wait_for("the sleeps end", || alive(&marker) == 0);
}

#[test]
fn an_endless_file_ends_the_program_without_filling_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (file, marker) = (dir.path().join("console.log"), marker());
    let script = format!("sleep {marker} & yes > {}", file.display());
    let error = sh(&script).output_file(&file).run(&Stop::default()).unwrap_err();
    assert!(matches!(error, Error::Flood { .. }), "{error:?}");
    assert_eq!(alive(&marker), 0);
    // The file may grow between two looks, but not for long.
    let bytes = file.metadata().unwrap().len();
    assert!((256 << 20..4 << 30).contains(&bytes), "{bytes}");
}

#[test]
fn endless_output_ends_the_program_without_filling_the_memory() {
    let marker = marker();
    let error = sh(&format!("sleep {marker} & yes")).run(&Stop::default()).unwrap_err();
    assert_eq!(error.to_string(), "sh printed more than 256 MiB");
    assert_eq!(alive(&marker), 0);
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 300 << 10, "{kibibytes} KiB");
}

#[test]
fn output_cannot_deceive_the_reader_of_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("x.log");
    let error = sh(r"printf '\033]0;title\007x\n'; exit 1").log(&log).run(&Stop::default()).unwrap_err();
    let tail = error.log_and_tail().1.to_vec();
    assert_eq!(tail, [r"\u{1b}]0;title\u{7}x"]);
    assert!(!std::fs::read(log).unwrap().contains(&0x1b));
}
