//! What a confined program sees: a file system with only the paths that it needs, no network, and no other process.
//!
//! bubblewrap builds it where it is installed. Otherwise unshare(1) creates the namespaces, and this binary, started
//! again inside them, builds the file system (`enter`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind_recursive, mount_remount, unmount};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// First argument that makes this binary build the file system and run the program.
pub const CONFINE: &str = "__confine";
/// The path that unshare(1) starts this binary by: its standard input is the binary.
pub(super) const THIS_BINARY: &str = "/proc/self/fd/0";
/// `HOME` of a confined program: an empty directory, removed with the program.
pub(super) const HOME: &str = "/tmp/home";

/// The directories of the system, and the files of `/etc` that compilers and the C library read. No passwords, keys
/// and settings of services are among them.
const SYSTEM: [&str; 26] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/clang",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/magic",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/perl",
    "/etc/pki/tls/openssl.cnf",
    "/etc/python3",
    "/etc/ssl/openssl.cnf",
];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Entries of proc(5) that change the machine, which root may write to even without capabilities.
const PROTECTED: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];

/// What builds the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// bwrap(1).
    Bubblewrap,
    /// unshare(1) and this program.
    Namespaces,
}

impl Mechanism {
    /// The name, as in the report.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Bubblewrap => "bubblewrap",
            Mechanism::Namespaces => "namespaces",
        }
    }

    /// The program that creates the namespaces.
    pub(super) fn program(self) -> &'static str {
        match self {
            Mechanism::Bubblewrap => "bwrap",
            Mechanism::Namespaces => "unshare",
        }
    }
}

/// Access to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    Write,
}

/// The paths that one program sees, at their own place; directories include everything below them.
#[derive(Clone, Debug)]
pub struct Confinement {
    pub(super) mechanism: Mechanism,
    /// Path of bwrap or unshare.
    program: PathBuf,
    /// Sorted, so that a directory is mounted before a path below it.
    mounts: BTreeMap<PathBuf, Access>,
}

impl Confinement {
    /// A confinement by `mechanism`, whose program is `program`, with the system and nothing else.
    pub(super) fn new(mechanism: Mechanism, program: PathBuf) -> Confinement {
        let system = SYSTEM.iter().map(|path| PathBuf::from(*path));
        Confinement { mechanism, program, mounts: BTreeMap::new() }.read_only(system)
    }

    /// Whether a confined program sees `path` as part of the system.
    pub fn is_system(path: &Path) -> bool {
        SYSTEM.iter().any(|system| path.starts_with(system))
    }

    /// Adds paths to read; those that do not exist are skipped.
    pub fn read_only(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Confinement {
        for path in paths.into_iter().filter(|path| path.exists()) {
            self.mounts.entry(path).or_insert(Access::Read);
        }
        self
    }

    /// Adds a path to read and write; one that does not exist is skipped.
    pub fn writable(mut self, path: impl Into<PathBuf>) -> Confinement {
        let path = path.into();
        if path.exists() {
            self.mounts.insert(path, Access::Write);
        }
        self
    }

    /// The program and its arguments that run `program` with `args` confined, in the directory `dir`.
    pub(super) fn command_line(
        &self,
        dir: &Path,
        program: &Path,
        args: &[OsString],
    ) -> (PathBuf, Vec<OsString>) {
        let mut line = match self.mechanism {
            Mechanism::Bubblewrap => self.bubblewrap(dir),
            Mechanism::Namespaces => self.unshare(dir),
        };
        line.push("--".into());
        line.push(program.into());
        line.extend(args.iter().cloned());
        (self.program.clone(), line)
    }

    fn bubblewrap(&self, dir: &Path) -> Vec<OsString> {
        let mut line = words(&[
            "--die-with-parent",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--cap-drop",
            "ALL",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "--dir",
            HOME,
        ]);
        for (path, access) in &self.mounts {
            match (link_target(path), access) {
                (Some(target), _) => line.extend(["--symlink".into(), target.into(), path.into()]),
                (None, Access::Read) => line.extend(["--ro-bind".into(), path.into(), path.into()]),
                (None, Access::Write) => line.extend(["--bind".into(), path.into(), path.into()]),
            }
        }
        line.extend(words(&["--remount-ro", "/", "--chdir"]));
        line.push(dir.into());
        line
    }

    fn unshare(&self, dir: &Path) -> Vec<OsString> {
        let mut line = words(&["--mount", "--pid", "--kill-child", "--net", "--ipc", "--uts"]);
        if !rustix::process::geteuid().is_root() {
            line.extend(words(&["--user", "--map-root-user"]));
        }
        line.extend(words(&["--", THIS_BINARY, CONFINE]));
        line.push(dir.into());
        for (path, access) in &self.mounts {
            let word = if *access == Access::Read { "read" } else { "write" };
            line.extend([word.into(), path.into()]);
        }
        line
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}

/// The target of a directory of the system that is a link (`/bin` → `usr/bin`).
fn link_target(path: &Path) -> Option<PathBuf> {
    let is_top = path.parent() == Some(Path::new("/"));
    is_top.then(|| fs::read_link(path).ok()).flatten().filter(|target| target.starts_with("usr"))
}

/// Builds the file system in new namespaces, enters it and gives up all privileges. `args` is what
/// [`Confinement::command_line`] puts behind [`CONFINE`]; returns the program and its arguments.
///
/// # Errors
/// A mount fails, or the arguments are malformed.
pub(super) fn enter(args: &[OsString]) -> io::Result<(&OsStr, &[OsString])> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidInput);
    let (dir, rest) = args.split_first().ok_or_else(malformed)?;
    let end = rest.iter().position(|word| word == "--").ok_or_else(malformed)?;
    let (mounts, command) = (&rest[..end], &rest[end + 1..]);
    let (program, program_args) = command.split_first().ok_or_else(malformed)?;

    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", "/tmp", "tmpfs", flags, None)?;
    for dir in ["/tmp/old", "/tmp/new"] {
        fs::create_dir(dir)?;
    }
    rustix::process::pivot_root("/tmp", "/tmp/old")?;
    std::env::set_current_dir("/")?;
    mount("tmpfs", "/new", "tmpfs", flags, None)?;
    mount_own_file_systems(flags)?;
    for pair in mounts.chunks_exact(2) {
        mount_path(Path::new(&pair[1]), pair[0] == "write")?;
    }
    mount_remount("/new", flags | MountFlags::BIND | MountFlags::RDONLY, c"")?;
    std::env::set_current_dir("/new")?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir(dir)?;
    give_up_privileges()?;
    Ok((program, program_args))
}

/// proc, dev and tmp.
fn mount_own_file_systems(flags: MountFlags) -> io::Result<()> {
    for dir in ["/new/proc", "/new/dev", "/new/tmp"] {
        fs::create_dir(dir)?;
    }
    mount("proc", "/new/proc", "proc", flags | MountFlags::NOEXEC, None)?;
    for name in PROTECTED {
        let path = Path::new("/new/proc").join(name);
        if path.exists() {
            mount_bind_recursive(&path, &path)?;
            mount_remount(&path, flags | MountFlags::NOEXEC | MountFlags::BIND | MountFlags::RDONLY, c"")?;
        }
    }
    mount("tmpfs", "/new/tmp", "tmpfs", flags, None)?;
    fs::create_dir(Path::new("/new").join(HOME.trim_start_matches('/')))?;
    // Without the sticky bit: in a sticky directory that all may write to, `> /dev/null` is for its owner only, and that is
    // the host's root (may_create_in_sticky(), fs/namei.c).
    mount("tmpfs", "/new/dev", "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=755")?;
    for name in DEVICES.iter().filter(|name| Path::new("/old/dev").join(name).exists()) {
        let device = Path::new("/new/dev").join(name);
        fs::File::create(&device)?;
        mount_bind_recursive(Path::new("/old/dev").join(name), &device)?;
    }
    fs::create_dir("/new/dev/shm")?;
    for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        fs::os::unix::fs::symlink(format!("/proc/self/fd{target}"), Path::new("/new/dev").join(name))?;
    }
    Ok(())
}

/// Mounts a path of the host, `/old`, at its place below `/new`.
fn mount_path(path: &Path, write: bool) -> io::Result<()> {
    let below = |root: &str| Path::new(root).join(path.strip_prefix("/").unwrap_or(path));
    let (from, to) = (below("/old"), below("/new"));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if let Ok(target) = fs::read_link(&from) {
        // A link of the system, such as /bin; a link to another place is followed below the old root.
        if target.is_relative() && path.parent() == Some(Path::new("/")) {
            return fs::os::unix::fs::symlink(target, &to);
        }
    }
    let from = resolve(&from)?;
    match fs::metadata(&from)?.is_dir() {
        true => fs::create_dir_all(&to)?,
        false if !to.exists() => drop(fs::File::create(&to)?),
        false => {}
    }
    mount_bind_recursive(&from, &to)?;
    if write {
        return Ok(());
    }
    for mounted in mounts_at(&to)? {
        let flags = flags_of(&mounted)? | MountFlags::NOSUID | MountFlags::NODEV;
        mount_remount(&mounted, flags | MountFlags::BIND | MountFlags::RDONLY, c"")?;
    }
    Ok(())
}

/// Follows links of the host as the host would: an absolute target is below `/old`.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    /// As MAXSYMLINKS of the kernel.
    const LINKS: usize = 40;
    let mut resolved = PathBuf::from("/old");
    let mut rest: Vec<OsString> =
        path.strip_prefix("/old").unwrap_or(path).iter().rev().map(OsStr::to_owned).collect();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            if resolved != Path::new("/old") {
                resolved.pop();
            }
            continue;
        }
        let Ok(target) = fs::read_link(resolved.join(&name)) else {
            resolved.push(&name);
            continue;
        };
        links += 1;
        if links > LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        if target.is_absolute() {
            resolved = PathBuf::from("/old");
        }
        let steps = target.iter().filter(|step| *step != "/");
        rest.extend(steps.map(OsStr::to_owned).collect::<Vec<_>>().into_iter().rev());
    }
    Ok(resolved)
}

/// The mount points at and below `path`, from proc_pid_mountinfo(5).
fn mounts_at(path: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string("/old/proc/self/mountinfo")?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    Ok(points.filter(|point| point.starts_with(path)).collect())
}

/// proc_pid_mountinfo(5) writes blanks, tabs, line feeds and backslashes as `\040` and so on.
fn unescaped(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)).into()
}

/// A user namespace may not clear the flags of a mount, so a remount repeats them.
fn flags_of(path: &Path) -> io::Result<MountFlags> {
    use rustix::fs::StatVfsMountFlags as Found;
    let found = rustix::fs::statvfs(path)?.f_flag;
    let both = [
        (Found::NOSUID, MountFlags::NOSUID),
        (Found::NODEV, MountFlags::NODEV),
        (Found::NOEXEC, MountFlags::NOEXEC),
        (Found::NOATIME, MountFlags::NOATIME),
        (Found::NODIRATIME, MountFlags::NODIRATIME),
        (Found::RELATIME, MountFlags::RELATIME),
    ];
    Ok(both.into_iter().filter(|(flag, _)| found.contains(*flag)).map(|(_, flag)| flag).collect())
}

/// Neither this process nor any program that it starts can get a capability again.
fn give_up_privileges() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
    set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    hide_keys()
}

/// The system calls for the kernel's keyrings (keyrings(7)), which no namespace hides: `add_key`, `request_key` and
/// `keyctl`, by their numbers on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
const KEY_CALLS: [i64; 3] = [248, 249, 250];

/// Hides the user's keys and tickets from this thread and from every program that it starts.
///
/// # Errors
/// The kernel has no filters for system calls.
pub(super) fn hide_keys() -> io::Result<()> {
    use rustix::io::Errno;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
    let rules = KEY_CALLS.iter().map(|call| (*call, Vec::new())).collect();
    // As in a kernel without keyrings.
    let refuse = SeccompAction::Errno(Errno::NOSYS.raw_os_error() as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}
