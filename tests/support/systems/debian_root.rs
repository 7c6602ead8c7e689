//! A Debian system to install packages into, created by mmdebstrap once and unpacked for each test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::output::{must, text};

/// The directory in which systems are kept between runs; by default, a directory of Cargo's.
const CACHE: &str = "KPATCH_BUILD_TEST_CACHE";
pub const SUITE: &str = "bookworm";
/// Dependencies of a kernel package.
const KERNEL_NEEDS: &str = "kmod,linux-base,initramfs-tools";

pub struct Root(tempfile::TempDir);

impl Root {
    pub fn new() -> Root {
        Root::with(SUITE, KERNEL_NEEDS)
    }

    /// Returns a system with the required packages and `packages`, separated by commas. It is kept under `name`.
    pub fn with(name: &str, packages: &str) -> Root {
        Root::kept(name, SUITE, packages)
    }

    /// Returns a system of another suite, which is kept under the suite's name with one list of packages only.
    pub fn of(suite: &str, packages: &str) -> Root {
        Root::kept(suite, suite, packages)
    }

    /// Returns a system for amd64 and i386 programs with `packages`.
    pub fn with_i386(packages: &str) -> Root {
        Root::unpacked(&archive("bookworm-i386", SUITE, packages, "amd64,i386"))
    }

    /// Returns a system of a suite, which is kept under `name`.
    pub fn kept(name: &str, suite: &str, packages: &str) -> Root {
        Root::unpacked(&archive(name, suite, packages, "amd64"))
    }

    fn unpacked(archive: &Path) -> Root {
        let dir = tempfile::tempdir().unwrap();
        must(Command::new("tar").arg("-xpf").arg(archive).arg("-C").arg(dir.path()));
        Root(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Writes an executable script.
    pub fn script(&self, path: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{content}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns a command that runs a command line inside.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.path()).args(["sh", "-c", line]).env_clear();
        command.envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("LC_ALL", "C"),
        ]);
        command
    }

    /// Runs a command line inside.
    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command line inside that must succeed. Returns both of its streams.
    pub fn must(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}\n{}", text(&output));
        text(&output)
    }

    /// Returns every path below `/boot`, `/lib/modules`, `/usr/share/doc` and `/usr/share/licenses` that contains `word`.
    pub fn traces(&self, word: &str) -> String {
        let output = self
            .run(&format!("find /boot /usr/lib/modules /usr/share/doc /usr/share/licenses -path '*{word}*'"));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Returns the mirror that this machine's apt uses for [`SUITE`].
pub fn mirror() -> String {
    let sources = must(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(CODENAME) $(REPO_URI)",
        "Created-By: Packages",
    ]));
    let of = |suite: &str| {
        sources.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == suite)
    };
    let (_, uri) = of(SUITE).expect("apt has bookworm among its sources");
    uri.to_owned()
}

/// Returns the directory in which systems are kept between runs.
pub fn cache() -> PathBuf {
    let cache = std::env::var_os(CACHE).map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    fs::create_dir_all(&cache).unwrap();
    cache
}

fn archive(name: &str, suite: &str, packages: &str, architectures: &str) -> PathBuf {
    let cache = cache();
    let archive = cache.join(format!("debian-{name}.tar"));
    let lock = File::create(cache.join(format!("debian-{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !archive.exists() {
        let dir = tempfile::tempdir_in(&cache).unwrap();
        let unfinished = dir.path().join("root.tar");
        must(
            Command::new("timeout")
                .args(["1200", "mmdebstrap", "--variant=minbase"])
                .arg(format!("--include={packages}"))
                .arg(format!("--architectures={architectures}"))
                .arg(suite)
                .arg(&unfinished)
                .arg(mirror()),
        );
        fs::rename(unfinished, &archive).unwrap();
    }
    archive
}
