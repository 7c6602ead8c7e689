//! The tool's own packages under dpkg, apt and rpm, in systems created for the tests, and the container file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::need::have_root;
use crate::support::output::{must, text};
use crate::support::systems::debian_root::{Root, mirror};

const NAME: &str = "kpatch-build-kernel";
const CONTAINER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/container/Containerfile");

/// Returns a directory with the tool, stripped like a release, and the packages that `package-self` built.
fn packages() -> &'static Path {
    static PACKAGES: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let dir = tempfile::tempdir().unwrap();
        let tool = dir.path().join("kpatch-build");
        must(Command::new("strip").args(["-o", tool.to_str().unwrap(), env!("CARGO_BIN_EXE_kpatch-build")]));
        // The second package needs only to differ from the first.
        for (revision, compression) in [("1", "xz"), ("2", "gzip")] {
            let options = ["package-self", "--revision", revision, "--compression", compression, "--out"];
            must(Command::new(&tool).args(options).arg(dir.path()));
        }
        dir
    };
    PACKAGES.get_or_init(make).path()
}

fn package(revision: u32, end: &str) -> PathBuf {
    let files = fs::read_dir(packages()).unwrap().map(|entry| entry.unwrap().path());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(end) && name.contains(&format!("-{revision}{}", if end == ".deb" { "_" } else { "." }))
    };
    files.into_iter().find(wanted).expect(end)
}

/// Copies a package into the root and returns its path there.
fn deliver(root: &Root, revision: u32, end: &str) -> String {
    let package = package(revision, end);
    let path = format!("/{}", package.file_name().unwrap().to_str().unwrap());
    fs::copy(&package, root.join(&path)).unwrap();
    path
}

/// Mounts /proc in the root while it lives, as in a container; the tool starts no program without it.
struct Proc<'a>(&'a Root);

impl Proc<'_> {
    fn mount(root: &Root) -> Proc<'_> {
        must(Command::new("mount").args(["-t", "proc", "proc"]).arg(root.join("/proc")));
        Proc(root)
    }
}

impl Drop for Proc<'_> {
    fn drop(&mut self) {
        // Lazily, so that no remaining process prevents the removal of the root.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.join("/proc")).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn all_files(root: &Root) -> Vec<String> {
    let found = root.must("find / -xdev -not -path '/proc/*' -not -path '/tmp/*' | sort");
    found.lines().map(str::to_owned).collect()
}

/// Downloads the live-patching tool's package from the oldest suite that has it, verified by apt.
fn fetch_kpatch(to: &Path) -> PathBuf {
    const SUITE: &str = "trixie";
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let apt = tempfile::tempdir().unwrap();
    let sources = apt.path().join("sources.list");
    fs::write(&sources, format!("deb [signed-by={keyring}] {} {SUITE} main\n", mirror())).unwrap();
    for dir in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.path().join(dir)).unwrap();
    }
    let get = |arguments: &[&str]| {
        let below = |name: &str| apt.path().join(name).display().to_string();
        let mut command = Command::new("apt-get");
        for option in [
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=-".to_owned(),
            format!("Dir::State::lists={}", below("lists")),
            format!("Dir::Cache={}", below("cache")),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        must(command.args(arguments).current_dir(to));
    };
    get(&["update"]);
    get(&["download", "kpatch-build"]);
    let found = fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path());
    found.into_iter().find(|path| path.to_str().unwrap().contains("/kpatch-build_")).unwrap()
}

#[test]
fn real_dpkg_installs_the_tool_next_to_the_live_patching_tool() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get", "strip"]) {
        return;
    }
    let root = Root::new();
    let kpatch = fetch_kpatch(&root.join("/"));
    let kpatch = format!("/{}", kpatch.file_name().unwrap().to_str().unwrap());
    let own = deliver(&root, 1, ".deb");
    // File conflicts do not depend on the packages' dependencies.
    root.must(&format!("dpkg --force-depends -i {kpatch}"));
    let before = all_files(&root);
    root.must(&format!("dpkg --force-depends -i {own}"));
    let owner = |path: &str| root.must(&format!("dpkg -S {path}"));
    for (path, package) in [
        ("/usr/bin/kpatch-build", "kpatch-build"),
        ("/usr/share/man/man1/kpatch-build.1.gz", "kpatch-build"),
        ("/usr/bin/kpatch-build-kernel", NAME),
        ("/usr/share/man/man1/kpatch-build-kernel.1.gz", NAME),
    ] {
        assert_eq!(owner(path), format!("{package}: {path}\n"));
    }
    let version = root.must("kpatch-build-kernel --version");
    assert_eq!(version, format!("kpatch-build-kernel {}\n", env!("CARGO_PKG_VERSION")));
    assert!(
        root.read("/usr/bin/kpatch-build").starts_with("#!/bin/bash"),
        "the live-patching tool is a script"
    );

    root.must("echo '# mine' >> /etc/kpatch-build-kernel/nightly.toml");
    let newer = deliver(&root, 2, ".deb");
    root.must(&format!("dpkg --force-depends -i {newer}"));
    assert!(root.read("/etc/kpatch-build-kernel/nightly.toml").ends_with("# mine\n"));
    root.must(&format!("dpkg --force-depends --remove {NAME}"));
    assert!(root.join("/etc/kpatch-build-kernel/nightly.toml").exists(), "only a purge removes it");
    root.must(&format!("dpkg --force-depends --purge {NAME}"));
    assert_eq!(root.must("dpkg --verify kpatch-build"), "");
    let left: Vec<_> =
        all_files(&root).into_iter().filter(|path| !before.contains(path) && *path != newer).collect();
    assert!(left.iter().all(|path| path.starts_with("/var/lib/dpkg/")), "{left:?}");
}

/// Returns the commands of the container file's last stage, each on one line.
fn container_commands() -> Vec<String> {
    let text = fs::read_to_string(CONTAINER).unwrap();
    let last = &text[text.rfind("\nFROM ").unwrap()..];
    let joined = last.replace("\\\n", " ");
    let commands: Vec<_> =
        joined.lines().filter_map(|line| line.strip_prefix("RUN ")).map(str::to_owned).collect();
    assert!(!commands.is_empty());
    commands
}

#[test]
fn real_apt_installs_the_dependencies_of_a_run_and_systemd_man_and_the_shells_find_their_files() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get", "strip"]) {
        return;
    }
    let root = Root::new();
    let _proc = Proc::mount(&root);
    fs::create_dir(root.join("/packages")).unwrap();
    let deb = package(1, ".deb");
    fs::copy(&deb, root.join("/packages").join(deb.file_name().unwrap())).unwrap();
    // The last command is doctor on the installed system.
    for command in container_commands() {
        root.must(&command);
    }
    root.must(
        "apt-get update && apt-get install -y --no-install-recommends systemd man-db mandoc bash-completion zsh fish",
    );
    let before = all_files(&root);
    manual(&root);
    completions(&root);
    units(&root);
    root.must(&format!("apt-get purge -y {NAME}"));
    let after = all_files(&root);
    // No package owns users' stores and man's cache of formatted pages.
    let caches = ["/var/cache/kpatch-build", "/var/cache/man/"];
    let own =
        |path: &&String| path.contains("kpatch-build") && !caches.iter().any(|cache| path.starts_with(cache));
    assert!(before.iter().any(|path| own(&path)));
    let left: Vec<_> = after.iter().filter(own).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn manual(root: &Root) {
    let page = root.must("MANPAGER=cat man kpatch-build-kernel");
    assert!(page.contains("NAME") && page.contains("kpatch-build-kernel --release 6.1.y"), "{page}");
    let about = root.must("mandb --quiet && whatis kpatch-build-kernel");
    assert!(
        about.contains("kpatch-build-kernel (1) - Build, package and boot-test Linux kernels"),
        "{about}"
    );
    for page in root.must("ls /usr/share/man/man1/kpatch-build-kernel*.1.gz").lines() {
        // Every message of groff is an error of the page.
        assert_eq!(root.must(&format!("zcat {page} | groff -ww -man -Kutf8 -Tutf8 -z 2>&1")), "", "{page}");
        let output = root.run(&format!("zcat {page} | mandoc -T lint -W error"));
        assert!(output.status.success(), "{page}\n{}", text(&output));
    }
}

fn completions(root: &Root) {
    let bash = "source /usr/share/bash-completion/bash_completion
        _completion_loader kpatch-build-kernel; complete -p kpatch-build-kernel
        COMP_WORDS=(kpatch-build-kernel doc); COMP_CWORD=1; COMP_LINE='kpatch-build-kernel doc'; COMP_POINT=${#COMP_LINE}
        _kpatch__build__kernel kpatch-build-kernel doc kpatch-build-kernel; echo \"reply: ${COMPREPLY[*]}\"";
    root.script("/tmp/bash-test", &format!("exec bash <<'END'\n{bash}\nEND"));
    let found = root.must("/tmp/bash-test");
    assert!(found.contains("-F _kpatch__build__kernel") && found.contains("reply: doctor\n"), "{found}");
    let zsh = root.must("zsh -c 'autoload -U compinit && compinit -u && print $_comps[kpatch-build-kernel]'");
    assert_eq!(zsh, "_kpatch-build-kernel\n");
    root.must("zsh -n /usr/share/zsh/vendor-completions/_kpatch-build-kernel");
    let fish = root.must("HOME=/tmp fish -c 'complete -C\"kpatch-build-kernel doc\"'");
    assert!(fish.lines().any(|line| line.starts_with("doctor")), "{fish}");
}

fn units(root: &Root) {
    let dir = "/usr/lib/systemd/system";
    // Every message of verify is an error.
    let verified = root.must(&format!(
        "systemd-analyze verify --man=yes {dir}/{NAME}@nightly.service {dir}/{NAME}@nightly.timer 2>&1"
    ));
    assert_eq!(verified, "");
    let security =
        root.must(&format!("systemd-analyze security --no-pager --offline=yes {dir}/{NAME}@.service"));
    let line = security.lines().find(|line| line.contains("Overall exposure level")).expect("a verdict");
    eprintln!("{line}");
    assert!(line.contains(" OK ") || line.contains(" SAFE "), "{security}");
    let calendar = root.read(&format!("{dir}/{NAME}@.timer"));
    let calendar = calendar.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    assert!(root.must(&format!("systemd-analyze calendar {calendar}")).contains("*-*-* 00:00:00"));
    let state = |unit: &str| text(&root.run(&format!("systemctl is-enabled {unit}"))).trim().to_owned();
    let timer = format!("{NAME}@nightly.timer");
    assert_eq!(state(&timer), "disabled", "installed, not enabled");
    root.must(&format!("systemctl enable {timer}"));
    assert_eq!(state(&timer), "enabled");
}

#[test]
fn real_lintian_finds_nothing() {
    if !have_root(&["lintian", "strip"]) {
        return;
    }
    let mut lintian = Command::new("lintian");
    let output =
        lintian.args(["--allow-root", "--tag-display-limit", "0"]).arg(package(1, ".deb")).output().unwrap();
    // The overrides file has the reason of each override.
    let found = text(&output);
    let tags: Vec<_> =
        found.lines().filter(|line| line.starts_with("E: ") || line.starts_with("W: ")).collect();
    assert!(tags.is_empty(), "{tags:#?}");
}

fn rpm(root: &Root, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("rpm");
    command.arg("--root").arg(root.path()).args(["--dbpath", "/var/lib/rpm"]).args(arguments);
    command.output().unwrap()
}

fn must_rpm(root: &Root, arguments: &[&str]) -> String {
    let output = rpm(root, arguments);
    assert!(output.status.success(), "rpm {arguments:?}\n{}", text(&output));
    text(&output)
}

/// Installs an empty package that provides everything that `package` requires; of alternatives, Fedora's
/// name.
fn install_stand_in(root: &Root, package: &str) {
    let mut builder =
        rpm::PackageBuilder::new("stand-in", "1", "GPL-2.0-only", "noarch", "What the tool requires");
    let requires = must_rpm(root, &["-qp", "--requires", package]);
    for name in requires.lines().filter(|line| !line.starts_with("rpmlib(")) {
        let name = name.trim_start_matches('(').split(" or ").next().unwrap();
        // The parentheses of `libc.so.6()(64bit)` are part of the name.
        builder.provides(rpm::Dependency::any(name));
    }
    builder.build().unwrap().write_file(root.join("/stand-in.rpm")).unwrap();
    must_rpm(root, &["--install", root.join("/stand-in.rpm").to_str().unwrap()]);
}

#[test]
fn real_rpm_installs_upgrades_and_erases() {
    if !have_root(&["rpm", "chroot", "mmdebstrap", "apt-get", "strip"]) {
        return;
    }
    let root = Root::new();
    let first = root.join(&deliver(&root, 1, ".rpm"));
    let first = first.to_str().unwrap();
    let short = must_rpm(&root, &["-K", first]);
    assert!(short.trim_end().ends_with(": digests OK"), "{short}");
    let output = rpm(&root, &["--install", first]);
    assert!(!output.status.success() && text(&output).contains("flex is needed by"), "{}", text(&output));
    install_stand_in(&root, first);
    // A directory of the package filesystem.
    root.must("mkdir -p /usr/share/licenses");
    let before = all_files(&root);
    must_rpm(&root, &["--install", first]);
    assert_eq!(must_rpm(&root, &["--verify", NAME]), "");
    let version = root.must("kpatch-build-kernel --version");
    assert_eq!(version, format!("kpatch-build-kernel {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(must_rpm(&root, &["-qf", "/usr/bin/kpatch-build-kernel"]).lines().count(), 1);

    root.must("echo '# mine' >> /etc/kpatch-build-kernel/nightly.toml");
    let second = root.join(&deliver(&root, 2, ".rpm"));
    must_rpm(&root, &["--upgrade", second.to_str().unwrap()]);
    assert!(root.read("/etc/kpatch-build-kernel/nightly.toml").ends_with("# mine\n"));
    must_rpm(&root, &["--erase", NAME]);
    let left: Vec<_> = all_files(&root)
        .into_iter()
        .filter(|path| !before.contains(path) && !path.ends_with(".rpm") && !path.starts_with("/var/lib/rpm"))
        .collect();
    // rpm keeps a changed configuration file as .rpmsave.
    assert_eq!(left, ["/etc/kpatch-build-kernel", "/etc/kpatch-build-kernel/nightly.toml.rpmsave"]);
}

#[test]
fn real_hadolint_accepts_the_container_file() {
    if !have_root(&["hadolint"]) {
        return;
    }
    let output = Command::new("hadolint").arg(CONTAINER).output().unwrap();
    assert!(output.status.success() && text(&output).is_empty(), "{}", text(&output));
}
