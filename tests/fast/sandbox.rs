//! The sandbox: what a confined program sees, and that it ends with the run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kpatch_build::base::confinement::Mechanism;
use kpatch_build::base::process::{Command, Error, set_supervisor};
use kpatch_build::base::sandbox::Sandbox;
use kpatch_build::base::stop::Stop;
use kpatch_build::report::Report;

use crate::support::fixtures::packages::Workspace;
use crate::support::fixtures::{copy_program, write_program};
use crate::support::need::{have, have_root};
use crate::support::output::{must, stderr};

/// The mechanisms that this machine has the programs for.
fn sandboxes() -> Vec<Sandbox> {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    if !have(&["bwrap", "unshare"]) {
        return Vec::new();
    }
    let of = |mechanism| Sandbox::of(mechanism, &Stop::default()).unwrap().unwrap();
    vec![of(Mechanism::Bubblewrap), of(Mechanism::Namespaces)]
}

fn sh(script: &str) -> Command<'_> {
    Command::new("sh").arg("-c").arg(script)
}

#[test]
fn a_confined_program_sees_the_system_and_what_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["read", "write", "hidden"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("file"), name).unwrap();
    }
    for sandbox in sandboxes() {
        let mechanism = sandbox.mechanism();
        let confinement = sandbox
            .confinement()
            .read_only([dir.path().join("read")])
            .writable(dir.path().join("write"))
            .writable(dir.path().join("missing"));
        let script = format!(
            "cd {}; cat read/file write/file hidden/file; echo $HOME; ls -A $HOME; ls / /etc /dev; \
             echo x > write/made && echo made; echo x > read/made || echo refused; \
             echo x > /usr/made || echo refused; echo x > /made || echo refused; \
             echo x > /proc/sys/kernel/panic || echo refused; echo x > /tmp/made && echo made; \
             cat /proc/net/dev; grep CapEff /proc/self/status",
            dir.path().display()
        );
        let output = sh(&script).confined(confinement).any_status().capture().run(&Stop::default()).unwrap();
        let text = output.text();
        let lines: Vec<_> = text.lines().collect();
        assert!(text.starts_with("readwrite/tmp/home\n/:\n"), "{mechanism:?}: {text}");
        for name in ["usr", "passwd", "null", "CapEff:\t0000000000000000"] {
            assert!(lines.contains(&name), "{mechanism:?}: {name} is missing in {text}");
        }
        for name in ["root", "home", "var", "shadow", "ssh", "sda", "kmsg", "eth0"] {
            assert!(!lines.contains(&name), "{mechanism:?}: {name} is in {text}");
        }
        assert_eq!(text.matches("refused").count(), 4, "{mechanism:?}: {text}");
        assert_eq!(text.matches("made\n").count(), 2, "{mechanism:?}: {text}");
        assert!(fs::read_to_string(dir.path().join("write/made")).is_ok());
        fs::remove_file(dir.path().join("write/made")).unwrap();
        assert!(!Path::new("/tmp/made").exists());
    }
}

/// Kerberos tickets and the keys of encrypted directories are in the session's keyring, whatever the namespaces are.
#[test]
fn a_confined_program_reads_no_keys() {
    if !have(&["/usr/bin/python3"]) {
        return;
    }
    // keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)
    let script = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); \
                  print(libc.syscall(250, 0, -3, 0), ctypes.get_errno())";
    let python = || Command::new("/usr/bin/python3").args(["-c", script]).capture();
    for sandbox in sandboxes() {
        let text = python().confined(sandbox.confinement()).run(&Stop::default()).unwrap().text();
        assert_eq!(text.trim(), "-1 38", "{:?}: keyctl is there", sandbox.mechanism());
    }
    // Outside, the call has another result.
    assert_ne!(python().run(&Stop::default()).unwrap().text().trim(), "-1 38");
}

#[test]
fn a_confined_program_has_no_network_and_no_view_of_other_processes() {
    for sandbox in sandboxes() {
        let script = "ls /proc | grep -c '^[0-9]'; ls /sys/class/net /run 2>&1 | grep -c 'No such'";
        let output = sh(script).confined(sandbox.confinement()).any_status().capture().run(&Stop::default());
        let text = output.unwrap().text();
        let counts: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert!(counts[0] < 8 && counts[1] == 2, "{:?}: {text}", sandbox.mechanism());
    }
}

#[test]
fn status_output_and_arguments_are_those_of_the_program() {
    for sandbox in sandboxes() {
        let run = |script| sh(script).confined(sandbox.confinement()).run(&Stop::default());
        let Err(Error::Failed { program, status, tail, .. }) = run("echo out; echo err >&2; exit 7") else {
            panic!("{:?}", sandbox.mechanism())
        };
        assert_eq!((program.as_str(), status.code()), ("sh", Some(7)));
        assert!(tail.contains(&"out".into()) && tail.contains(&"err".into()), "{tail:?}");
        let error = run("kill -SEGV $$").unwrap_err();
        assert_eq!(error.to_string(), "sh was killed by signal 11", "{:?}", sandbox.mechanism());
        let output = Command::new("printf").args(["%s|", "--", "a b", "*", ""]).capture();
        let output = output.confined(sandbox.confinement()).run(&Stop::default()).unwrap();
        assert_eq!(output.text(), "--|a b|*||");
    }
}

/// Counts processes whose command line contains `marker`.
fn alive(marker: &str) -> usize {
    let is_it = |path: &Path| {
        fs::read(path.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
    };
    fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_it(&entry.path())).count()
}

#[test]
fn a_deadline_and_a_stop_leave_no_confined_process() {
    for (number, sandbox) in sandboxes().into_iter().enumerate() {
        let marker = format!("{}.{number}", 700_000 + std::process::id());
        let script = format!("sleep {marker} & setsid sleep {marker} & sleep {marker}");
        let command = || sh(&script).confined(sandbox.confinement());
        let error = command().deadline(Duration::from_millis(700)).run(&Stop::default()).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        assert_eq!(alive(&marker), 0, "{:?}", sandbox.mechanism());
        let stop = Stop::default();
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while alive(&marker) < 4 && started.elapsed() < Duration::from_secs(10) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                stop.set();
            });
            assert!(matches!(command().run(&stop), Err(Error::Interrupted { .. })));
        });
        assert_eq!(alive(&marker), 0, "{:?}", sandbox.mechanism());
    }
}

#[test]
fn killed_supervisors_leave_no_confined_process() {
    for (number, sandbox) in sandboxes().into_iter().enumerate() {
        let marker = format!("{}.{number}", 800_000 + std::process::id());
        let script = format!("sleep {marker}");
        let confinement = sandbox.confinement();
        std::thread::scope(|scope| {
            let run = scope.spawn(|| sh(&script).confined(confinement).run(&Stop::default()).is_err());
            let started = Instant::now();
            // A few processes of the mechanism may not exist yet: the kill meets them at any moment.
            while alive(&marker) < 3 && started.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(20));
            }
            // Supervisor and guard have the script in their command line, and are this binary.
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
                let pid = pid.and_then(rustix::process::Pid::from_raw);
                if let Some(pid) = pid.filter(|_| line.contains(&marker) && line.contains("__supervise")) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            assert!(run.join().unwrap());
        });
        assert_eq!(alive(&marker), 0, "{:?}", sandbox.mechanism());
    }
}

#[test]
fn paths_keep_their_place_below_links_and_with_odd_names() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real\\040 dir");
    fs::create_dir_all(real.join("inner")).unwrap();
    fs::write(real.join("inner/program"), "#!/bin/sh\necho ran\n").unwrap();
    fs::set_permissions(real.join("inner/program"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("real\\040 dir", dir.path().join("link")).unwrap();
    for sandbox in sandboxes() {
        let program = dir.path().join("link/inner/program");
        let confinement = sandbox.confinement().read_only([program.clone(), real.clone()]);
        let output = Command::new(&program).confined(confinement).capture().run(&Stop::default());
        assert_eq!(output.unwrap().text(), "ran\n", "{:?}", sandbox.mechanism());
    }
}

/// The tool's packages of the fake kernel in `out`, with a store of their own.
fn packages(workspace: &Workspace, out: &str, flags: &[&str]) -> Option<PathBuf> {
    let store = workspace.path(&format!("store-{out}"));
    workspace.packages(out, &[&["--store", store.to_str().unwrap()], flags].concat())
}

#[test]
fn a_sandboxed_build_makes_the_same_packages() {
    if !have(&["bwrap"]) {
        return;
    }
    let workspace = Workspace::new();
    let Some(with) = packages(&workspace, "with", &["--sandbox"]) else { return };
    let without = packages(&workspace, "without", &["--no-sandbox"]).unwrap();
    let [with_report, without_report] =
        [&with, &without].map(|out| Report::load(&out.join("report.json")).unwrap());
    assert_eq!((with_report.sandbox, with_report.no_sandbox_reason), (Some(Mechanism::Bubblewrap), None));
    assert_eq!(without_report.sandbox, None);
    assert_eq!(without_report.no_sandbox_reason.as_deref(), Some("--no-sandbox"));
    assert_eq!(with_report.artifacts.len(), 2);
    for artifact in with_report.artifacts {
        let name = artifact.file();
        assert!(fs::read(with.join(&name)).unwrap() == fs::read(without.join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn the_source_reaches_neither_files_of_the_user_nor_the_source_tree() {
    if !have(&["bwrap"]) {
        return;
    }
    let workspace = Workspace::new();
    let secret = workspace.write("secret", "hunter2");
    let steps = format!(
        "@echo x > {0}; if grep hunter {0} || echo x > planted || ls -A $$HOME | grep .; then exit 1; fi\n\t@true",
        secret.display()
    );
    workspace.change_tree("Makefile", "modules:\n\t@true", &format!("modules:\n\t{steps}"));
    let out = packages(&workspace, "out", &[]).expect("nothing outside is reached");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "hunter2");
    assert!(fs::read_to_string(out.join("logs/build.log")).unwrap().contains("Read-only file system"));
}

/// What the build leaves in its directory is read and written by the tool outside of the sandbox.
#[test]
fn the_tool_follows_no_link_that_the_build_left() {
    if !have(&["bwrap"]) {
        return;
    }
    for (name, reason) in [
        ("System.map", "System.map` is a link or a device"),
        ("arch/x86/boot/bzImage", "bzImage` is a link or a device"),
        (".config", ".config` is a link or a device"),
        ("include/config/kernel.release", "kernel.release` is a link or a device"),
        (".kpatch-build-objects", ""),
        (".kpatch-build-manifest", ""),
        (".kpatch-build-hostcc", ""),
        ("kpatch-build.config", ""),
    ] {
        let workspace = Workspace::new();
        let secret = workspace.write("secret", "hunter2");
        let link = format!("modules: bzImage\n\t@ln -sf {} $(O)/{name}", secret.display());
        workspace.change_tree("Makefile", "modules:\n\t@true", &link);
        let tree = format!("dir:{}", workspace.tree.path().display());
        let mut messages = String::new();
        // The second run finds the links of the first one.
        for _ in 0..2 {
            let mut tool = workspace.tool();
            tool.args(["package", "--sandbox", "--release", "6.1.5", "--source", &tree, "--series", "none"]);
            tool.args(["--kconfig", "./mine.config", "--packages", "image", "--out", "out"]);
            let output = tool.output().unwrap();
            messages += &stderr(&output);
            assert_eq!(
                output.status.code(),
                Some(if reason.is_empty() { 0 } else { 3 }),
                "{name}: {messages}"
            );
            assert_eq!(fs::read_to_string(&secret).unwrap(), "hunter2", "{name}: {messages}");
            let results = workspace.path("cache/kpatch-build/results");
            fs::remove_dir_all(results).unwrap();
        }
        assert!(messages.contains(reason), "{name}: {messages}");
    }
}

/// As pyenv installs it: a script in `PATH` that starts a program of the user's home directory.
#[test]
fn a_program_that_needs_the_home_directory_gives_way_to_the_next_one_in_path() {
    if !have(&["bwrap"]) {
        return;
    }
    let workspace = Workspace::new();
    for dir in ["shims", "versions", "other"] {
        fs::create_dir(workspace.path(dir)).unwrap();
    }
    let home = workspace.path("versions/bison");
    write_program(&home, "echo bison of the home directory");
    write_program(&workspace.path("shims/bison"), &format!("exec {} \"$@\"", home.display()));
    write_program(&workspace.path("other/bison"), "echo the next bison");
    workspace.change_tree("Makefile", "modules:\n\t@true", "modules:\n\tbison --version");
    let path = ["shims", "other"].map(|dir| workspace.path(dir).display().to_string()).join(":");
    let path = format!("{path}:{}", std::env::var("PATH").unwrap());
    let build = |flag: &str| {
        let mut tool = workspace.tool();
        tool.env("PATH", &path).args(["build", "--release", "6.1.5", "--series", "none", flag, "--source"]);
        tool.arg(format!("dir:{}", workspace.tree.path().display()));
        let output = tool.args(["--kconfig", "./mine.config", "--out", "out"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (fs::read_to_string(workspace.path("out/logs/build.log")).unwrap(), stderr(&output))
    };
    let note = format!("{} does not run in the sandbox", workspace.path("shims/bison").display());
    let (log, messages) = build("--sandbox");
    assert!(log.contains("the next bison"), "{log}");
    assert!(messages.contains(&note), "{messages}");
    // The same result is not built twice, so the tree of the second run is another one.
    workspace.change_tree("Makefile", "bison --version", "bison --version --again");
    let (log, messages) = build("--no-sandbox");
    assert!(log.contains("bison of the home directory"), "{log}");
    assert!(!messages.contains(&note), "{messages}");
}

/// The PATH of a host whose bwrap and unshare are forbidden to create namespaces.
fn without_namespaces(workspace: &Workspace) -> String {
    fs::create_dir(workspace.path("bin")).unwrap();
    for name in ["bwrap", "unshare"] {
        let path = workspace
            .write(&format!("bin/{name}"), format!("#!/bin/sh\necho '{name}: forbidden' >&2\nexit 1\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", workspace.path("bin").display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_host_without_a_sandbox_builds_with_a_note_and_refuses_the_flag() {
    let workspace = Workspace::new();
    let path = without_namespaces(&workspace);
    let tree = format!("dir:{}", workspace.tree.path().display());
    let build = |flags: &[&str]| {
        let mut tool = workspace.tool();
        tool.env("PATH", &path).args(["build", "--release", "6.1.5", "--source", &tree, "--series", "none"]);
        tool.args(["--kconfig", "./mine.config", "--out", "out"]).args(flags).output().unwrap()
    };
    let output = build(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let reason = "bubblewrap: bwrap: forbidden; namespaces: unshare: forbidden";
    assert!(stderr(&output).contains(&format!("without a sandbox: {reason}")), "{}", stderr(&output));
    let report = Report::load(&workspace.path("out/report.json")).unwrap();
    assert_eq!((report.sandbox, report.no_sandbox_reason.as_deref()), (None, Some(reason)));

    let output = build(&["--sandbox"]);
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(stderr(&output).contains("install bubblewrap"), "{}", stderr(&output));

    fs::write(workspace.path("kpatch-build.toml"), "sandbox = true\n").unwrap();
    assert_eq!(build(&[]).status.code(), Some(69));
    assert_eq!(build(&["--no-sandbox"]).status.code(), Some(0), "the command line outranks the file");

    let doctor =
        workspace.tool().env("PATH", &path).args(["doctor", "--config", "/dev/null"]).output().unwrap();
    let line = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let line = line.lines().find(|line| line.contains("sandbox")).unwrap().to_owned();
    assert!(line.starts_with("optional"), "{line}");
}

/// The user `nobody` can create namespaces, but owns none of the host's devices.
#[test]
fn a_user_without_bubblewrap_builds_in_namespaces() {
    if !have_root(&["setpriv", "unshare", "chown"]) {
        return;
    }
    let workspace = Workspace::new();
    workspace.change_tree("Makefile", "modules:\n\t@true", "modules:\n\t@echo x > /dev/null\n\t@true");
    fs::create_dir(workspace.path("bin")).unwrap();
    write_program(&workspace.path("bin/bwrap"), "echo 'bwrap: forbidden' >&2; exit 1");
    let (program, path) = (workspace.path("kb"), std::env::var("PATH").unwrap());
    copy_program(Path::new(env!("CARGO_BIN_EXE_kpatch-build")), &program);
    let mut chown = std::process::Command::new("chown");
    must(chown.args(["-R", "65534:65534"]).args([workspace.dir.path(), workspace.tree.path()]));
    let mut tool = std::process::Command::new("setpriv");
    tool.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    tool.args([
        "package",
        "--sandbox",
        "--release",
        "6.1.5",
        "--series",
        "none",
        "--kconfig",
        "./mine.config",
    ]);
    tool.args(["--packages", "image", "--store", "store", "--out", "out", "--source"]);
    tool.arg(format!("dir:{}", workspace.tree.path().display())).current_dir(workspace.dir.path());
    let output = tool.env("PATH", format!("{}:{path}", workspace.path("bin").display())).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = Report::load(&workspace.path("out/report.json")).unwrap();
    assert_eq!(report.sandbox, Some(Mechanism::Namespaces));
}
