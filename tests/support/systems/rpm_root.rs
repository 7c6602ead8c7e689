//! A root that installs kernels as Fedora does: rpm and dnf, kernel-install, dracut, systemd-boot.
//!
//! All of it is Debian's build of those programs, because no archive of Fedora's is at hand. What differs
//! from Fedora is made good here, by configuration and never in the kernel's packages:
//!
//! - rpm's database is empty, so one package provides what stands in the root by Debian's doing;
//! - Debian's dracut comes without its plugin for kernel-install, and Debian's systemd with one
//!   for initramfs-tools instead.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::debian_root::Root;
use crate::support::output::{must, text};

/// The package managers; what they start; what a machine boots with; what modules are built with.
pub const PACKAGES: &str = "rpm,dnf,dracut-core,kmod,cpio,systemd-sysv,udev,dbus,systemd-boot,e2fsprogs,strace,\
                        gcc,make,libelf1,libssl3";
/// Names that Fedora's packages have, and the file in the root that shows that they would be right.
const PROVIDED: [(&str, &str); 6] = [
    ("/bin/sh", "/bin/sh"),
    ("/usr/bin/kernel-install", "/usr/bin/kernel-install"),
    ("coreutils", "/usr/bin/cp"),
    ("findutils", "/usr/bin/find"),
    ("dracut", "/usr/bin/dracut"),
    ("kmod", "/usr/sbin/depmod"),
];
/// Of the Boot Loader Specification, for a system without GRUB's own files in /boot.
pub const MACHINE_ID: &str = "6b70617463682d6275696c6400000001";
/// As dracut's 50-dracut.install does where the layout is the Boot Loader Specification's.
const DRACUT_PLUGIN: &str = "[ \"$1\" = add ] || exit 0\nexec dracut --force --quiet \"$3/initrd\" \"$2\"";

/// Bucket in /boot, unless a test says otherwise.
const BOOT_MIB: u32 = 256;

/// What the host needs for it.
pub const PROGRAMS: [&str; 4] = ["chroot", "unshare", "mmdebstrap", "apt-get"];

pub struct RpmRoot {
    root: Root,
    /// What is in /boot, the EFI system partition.
    esp: tempfile::TempDir,
    boot_mib: Cell<u32>,
}

impl RpmRoot {
    pub fn new() -> RpmRoot {
        RpmRoot::of(Root::with("rpm", PACKAGES))
    }

    /// Of a system that holds [`PACKAGES`].
    pub fn of(root: Root) -> RpmRoot {
        let this = RpmRoot { root, esp: tempfile::tempdir().unwrap(), boot_mib: Cell::new(BOOT_MIB) };
        // Debian's rpm has it in the user's home, so that nobody uses it for the system.
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

    /// The folder that is copied to /boot for each command line, and back.
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

    /// Gives /boot so many MiB from now on.
    pub fn limit_boot(&self, mib: u32) {
        self.boot_mib.set(mib);
    }

    /// Runs a command line inside, with /boot as a file system of its own.
    ///
    /// Its mounts are seen by nobody else and end with it.
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

    /// [`RpmRoot::must`] and [`quiet`]: rpm has no other way to tell of what did not stop it.
    pub fn quietly(&self, line: &str) -> String {
        let said = self.must(line);
        quiet(&said);
        said
    }

    fn install_stand_in(&self) {
        let mut builder = rpm::PackageBuilder::new(
            "debian-stand-in",
            "12",
            "GPL-2.0-only",
            "noarch",
            "What Debian's packages put into this root, by the names that Fedora has for it",
        );
        for (name, path) in PROVIDED {
            assert!(self.join(path).exists(), "{path} stands for {name}");
            builder.provides(rpm::Dependency::any(name));
        }
        // Those of the libraries, as rpmbuild finds them.
        let libraries = "ls /usr/lib/x86_64-linux-gnu/*.so.* | /usr/lib/rpm/elfdeps --provides | sort -u";
        for provided in must(Command::new("chroot").arg(self.path()).args(["sh", "-c", libraries])).lines() {
            builder.provides(rpm::Dependency::any(provided));
        }
        builder.build().unwrap().write_file(self.join("/stand-in.rpm")).unwrap();
        self.must("rpm --install /stand-in.rpm && rm /stand-in.rpm");
    }
}

/// Without a word of warning: rpm has no other way to tell of what did not stop it.
pub fn quiet(said: &str) {
    let warns =
        |line: &&str| ["warning", "error", "failed"].iter().any(|word| line.to_lowercase().contains(word));
    assert_eq!(said.lines().find(warns), None);
}

/// Lists every path with `word` in it where a kernel's packages and their scripts leave files.
pub fn traces(word: &str) -> String {
    let folders = "/boot /usr/lib/modules /usr/src /usr/lib/debug /usr/share/licenses";
    format!("find {folders} -path '*{word}*' 2> /dev/null || :")
}
