//! A root that installs kernels as Fedora does: rpm and dnf, kernel-install, dracut, systemd-boot.
//!
//! The programs are Debian's builds, because no Fedora archive is available. This module adapts their configuration to
//! Fedora's; the kernel's packages are unchanged:
//!
//! - rpm's database is empty, so one package provides what Debian's packages installed;
//! - Debian's dracut lacks its plugin for kernel-install, and Debian's systemd has one for initramfs-tools instead.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::debian_root::Root;
use crate::support::output::{must, text};

/// Packages of the package managers, the programs that they start, the boot, and module builds.
pub const PACKAGES: &str = "rpm,dnf,dracut-core,kmod,cpio,systemd-sysv,udev,dbus,systemd-boot,e2fsprogs,strace,\
                        gcc,make,libelf1,libssl3";
/// Names of Fedora's packages, and a file of each that must exist in the root.
const PROVIDED: [(&str, &str); 6] = [
    ("/bin/sh", "/bin/sh"),
    ("/usr/bin/kernel-install", "/usr/bin/kernel-install"),
    ("coreutils", "/usr/bin/cp"),
    ("findutils", "/usr/bin/find"),
    ("dracut", "/usr/bin/dracut"),
    ("kmod", "/usr/sbin/depmod"),
];
/// The machine ID, which names the kernels' directories in /boot (Boot Loader Specification).
pub const MACHINE_ID: &str = "6b70617463682d6275696c6400000001";
/// Like dracut's 50-dracut.install with the layout of the Boot Loader Specification.
const DRACUT_PLUGIN: &str = "[ \"$1\" = add ] || exit 0\nexec dracut --force --quiet \"$3/initrd\" \"$2\"";

/// Size of /boot, unless a test sets another one.
const BOOT_MIB: u32 = 256;

/// Programs that the host needs.
pub const PROGRAMS: [&str; 4] = ["chroot", "unshare", "mmdebstrap", "apt-get"];

pub struct RpmRoot {
    root: Root,
    /// The content of /boot, the EFI system partition.
    esp: tempfile::TempDir,
    boot_mib: Cell<u32>,
}

impl RpmRoot {
    pub fn new() -> RpmRoot {
        RpmRoot::of(Root::with("rpm", PACKAGES))
    }

    /// Configures a system that has [`PACKAGES`].
    pub fn of(root: Root) -> RpmRoot {
        let this = RpmRoot { root, esp: tempfile::tempdir().unwrap(), boot_mib: Cell::new(BOOT_MIB) };
        // Debian's rpm has its database in the user's home, to discourage its use for the system.
        this.write("/etc/rpm/macros", "%_dbpath /var/lib/rpm\n");
        this.write("/etc/dnf/vars/releasever", "12\n");
        this.write("/etc/machine-id", &format!("{MACHINE_ID}\n"));
        this.write("/etc/kernel/install.conf", "layout=bls\n");
        this.root.script("/etc/kernel/install.d/50-dracut.install", DRACUT_PLUGIN);
        symlink("/dev/null", this.join("/etc/kernel/install.d/85-initrd.install")).unwrap();
        fs::create_dir_all(this.esp().join("loader/entries")).unwrap();
        this.install_stand_in();
        this
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns the directory that is copied to /boot before each command line, and back after it.
    pub fn esp(&self) -> PathBuf {
        self.esp.path().join("boot")
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes an executable script.
    pub fn script(&self, path: &str, content: &str) {
        self.root.script(path, content);
    }

    /// Sets the size of /boot for the next command lines.
    pub fn limit_boot(&self, mib: u32) {
        self.boot_mib.set(mib);
    }

    /// Runs a command line inside, with /boot as a separate file system.
    ///
    /// The mounts are private to the command line and end with it.
    pub fn run(&self, line: &str) -> Output {
        const ENTER: &str =
            "mount -t tmpfs -o size=\"$4\"M tmpfs \"$1/boot\" && cp -a \"$2/.\" \"$1/boot\" && \
                             mount -t proc proc \"$1/proc\" || exit 125
                             chroot \"$1\" sh -c \"$3\"
                             status=$?
                             rm -rf \"$2\" && cp -a \"$1/boot\" \"$2\" && exit $status";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", ENTER, "sh"]).arg(self.path()).arg(self.esp()).arg(line);
        command.arg(self.boot_mib.get().to_string());
        command.env_clear().envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")]);
        let output = command.output().unwrap();
        eprintln!("# {line}\n{}", text(&output));
        output
    }

    pub fn must(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", output.status);
        text(&output)
    }

    /// Runs a command line that must succeed without a warning, see [`quiet`].
    pub fn quietly(&self, line: &str) -> String {
        let output = self.must(line);
        quiet(&output);
        output
    }

    fn install_stand_in(&self) {
        let mut builder = rpm::PackageBuilder::new(
            "debian-stand-in",
            "12",
            "GPL-2.0-only",
            "noarch",
            "What Debian's packages installed in this root, under Fedora's names",
        );
        for (name, path) in PROVIDED {
            assert!(self.join(path).exists(), "{path} of {name}");
            builder.provides(rpm::Dependency::any(name));
        }
        // The libraries, as rpmbuild names them.
        let libraries = "ls /usr/lib/x86_64-linux-gnu/*.so.* | /usr/lib/rpm/elfdeps --provides | sort -u";
        for provided in must(Command::new("chroot").arg(self.path()).args(["sh", "-c", libraries])).lines() {
            builder.provides(rpm::Dependency::any(provided));
        }
        builder.build().unwrap().write_file(self.join("/stand-in.rpm")).unwrap();
        self.must("rpm --install /stand-in.rpm && rm /stand-in.rpm");
    }
}

/// Asserts that the output has no warning: rpm reports failures that do not stop it in no other way.
pub fn quiet(output: &str) {
    let warns =
        |line: &&str| ["warning", "error", "failed"].iter().any(|word| line.to_lowercase().contains(word));
    assert_eq!(output.lines().find(warns), None);
}

/// Returns a command line that lists the paths that contain `word`, in the directories of a kernel's packages and
/// their scripts.
pub fn traces(word: &str) -> String {
    let directories = "/boot /usr/lib/modules /usr/src /usr/lib/debug /usr/share/licenses";
    format!("find {directories} -path '*{word}*' 2> /dev/null || :")
}
