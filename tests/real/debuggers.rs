//! Debuggers of the real mirror and of this host, each in a separate root directory. Needs root for chroot.

use std::path::Path;
use std::process::{Child, Command};

use kpatch_build::base::context::Context;
use kpatch_build::base::events::Events;
use kpatch_build::base::process::set_supervisor;
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::Store;
use kpatch_build::stages::boot::debuggers::{
    self, Debugger, DebuggerKind, DebuggerName, DebuggerRequest, Selection,
};

use crate::support::need::{have_root, present};

/// Unit of the size limits; a root directory is part of the guest's memory.
const MIB: u64 = 1 << 20;

fn has_tools() -> bool {
    have_root(&["chroot", "unshare", "gdb", "strace"]) && present("apt", Path::new("/etc/apt").is_dir())
}

fn context(dir: &Path) -> Context {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    Context {
        store: Store::open(dir).unwrap(),
        events: Events::silent(),
        stop: Stop::default(),
        offline: false,
        logs: dir.join("logs"),
    }
}

fn request(selection: Selection) -> DebuggerRequest {
    DebuggerRequest { selection, ..Default::default() }
}

fn size(path: &Path) -> u64 {
    let meta = path.symlink_metadata().unwrap();
    if !meta.is_dir() {
        return meta.len();
    }
    path.read_dir().unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}

/// Makes the root directory read-only, because the store notices a change, and mounts `/proc` there.
const MOUNT: &str =
    "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && mount -t proc proc \"$1/proc\"";

/// Runs the debugger in its root directory.
fn run(debugger: &Debugger, args: &[&str]) -> String {
    let script = &format!("{MOUNT} && exec chroot \"$@\"");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&debugger.root)
        .arg(&debugger.program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/tmp")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {text}", debugger.name());
    text
}

/// A process that sleeps until a debugger attaches.
struct Tracee(Child);

impl Tracee {
    fn start() -> Tracee {
        Tracee(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// State letter of proc(5): `S` for a sleeping process, `t` for one that a debugger stopped.
    fn state(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Checks that gdb attaches, shows threads and registers, and leaves the tracee running.
fn check_gdb(gdb: &Debugger) {
    let tracee = Tracee::start();
    let commands = ["info threads", "info registers rip cs", "bt", "detach"];
    let mut args = vec!["--batch", "-nx", "-p"];
    let pid = tracee.pid();
    args.push(&pid);
    args.extend(commands.iter().flat_map(|command| ["-ex", command]));
    let text = run(gdb, &args);
    eprintln!("{}:\n{text}", gdb.name());
    for part in ["* 1 ", "rip  ", "0x33", "#0 ", "[Inferior 1 (process"] {
        assert!(text.contains(part), "{}: no {part:?} in {text}", gdb.name());
    }
    assert!(!text.contains("should not happen"), "{}: {text}", gdb.name());
    assert_eq!(tracee.state(), "S");
}

fn check_strace(strace: &Debugger) {
    let tracee = Tracee::start();
    let script = &format!("{MOUNT} && exec timeout -s INT 3 chroot \"$@\"");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&strace.root)
        .args([&strace.program, "-p", &tracee.pid()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    eprintln!("{}:\n{text}", strace.name());
    assert!(text.contains("attached") && text.contains("detached"), "{text}");
    assert!(text.contains("nanosleep") || text.contains("restart_syscall"), "{text}");
    assert_eq!(tracee.state(), "S");
}

#[test]
fn real_every_debugger_runs_in_its_own_root_and_the_second_run_needs_no_network() {
    if !has_tools() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut cx = context(dir.path());
    let debuggers = debuggers::obtain(&cx, &request(Selection::All)).unwrap();
    let names: Vec<_> = debuggers.iter().map(Debugger::name).collect();
    eprintln!("{names:?}");
    assert_eq!(names[..3], ["gdb 10.1", "gdb 13.1", "gdb 16.3"]);
    let kinds: Vec<_> = debuggers.iter().map(|debugger| (debugger.kind, debugger.of_host)).collect();
    assert_eq!(kinds[3..], [(DebuggerKind::Gdb, true), (DebuggerKind::Strace, true)]);
    for debugger in &debuggers {
        let bytes = size(&debugger.root);
        eprintln!("{}: {:.1} MiB", debugger.name(), bytes as f64 / MIB as f64);
        // A character set library's tables may take up half of a host debugger's size.
        let limit = if debugger.of_host { 100 } else { 60 };
        assert!(bytes < limit * MIB, "{}: {bytes}", debugger.name());
        let version = run(debugger, &["--version"]);
        // Debian's gdb 10.1 also prints 10.1.90.20210103-git.
        let first = version.lines().next().unwrap();
        assert!(first.contains(&format!(" {}", debugger.version)) || first.contains("10.1-"), "{version}");
        match debugger.kind {
            DebuggerKind::Gdb => check_gdb(debugger),
            DebuggerKind::Strace => check_strace(debugger),
        }
    }

    cx.offline = true;
    let again = debuggers::obtain(&cx, &request(Selection::All)).unwrap();
    let roots =
        |debuggers: &[Debugger]| debuggers.iter().map(|debugger| debugger.root.clone()).collect::<Vec<_>>();
    assert_eq!(roots(&again), roots(&debuggers));
}

#[test]
fn real_a_gdb_with_python_finds_its_modules() {
    if !has_tools() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cx = context(dir.path());
    // Trixie's gdb has Python; the host's may have it.
    let gdb = &debuggers::obtain(&cx, &request(Selection::These(vec![DebuggerName::Gdb16]))).unwrap()[0];
    let text = run(gdb, &["--batch", "-nx", "-ex", "python print(6 * 7)", "-ex", "info pretty-printer"]);
    assert!(
        text.contains("42")
            && !text.contains("warning")
            && !text.contains("Error")
            && !text.contains("Could not"),
        "{text}"
    );
    let host = debuggers::obtain(&cx, &request(Selection::These(vec![DebuggerName::Host]))).unwrap();
    let on_host = |args: &[&str]| {
        let output = Command::new("gdb").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let args = ["--batch", "-nx", "-ex", "python print(6 * 7)"];
    assert_eq!(run(&host[0], &args).contains("42"), on_host(&args).contains("42"));
}
