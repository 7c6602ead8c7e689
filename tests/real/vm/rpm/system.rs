//! Turns the root into a machine: disks, boot loader, kernel command line.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::systems::rpm_root::RpmRoot;
use crate::support::systems::vm::{Guest, Machine, agent, disk};

const DISK_MIB: u64 = 3072;

/// Maintenance that is unrelated to kernels.
const MASKED: [&str; 5] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dnf-makecache.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
];

/// `panic=-1` ends QEMU. The self-test of the timer counts ticks in the guest's time, which stops while a
/// busy host runs something else; under KVM the kernel skips the test.
const OPTIONS: &str = "rw console=ttyS0 panic=-1 no_timer_check";

/// Outside the machine, dracut includes the modules of every machine. Inside, it builds the initramfs of the
/// next kernel for this machine only, as on Fedora.
const OUTSIDE: &str = "hostonly=no";
const INSIDE: &str = "hostonly=yes";
/// Skips the steps that take most of the time on an emulated processor.
const QUICK: &str = "compress=\"gzip -1\"\ndo_strip=no\ndo_hardlink=no\nearly_microcode=no";

pub fn configure(root: &RpmRoot) {
    root.write("/etc/fstab", &disk::fstab("/boot"));
    root.write("/etc/hostname", "vm\n");
    root.write("/etc/kernel/cmdline", &format!("root=UUID={} {OPTIONS}\n", disk::ROOT_UUID));
    configure_dracut(root, OUTSIDE);
    for unit in MASKED {
        symlink("/dev/null", root.join(&format!("/etc/systemd/system/{unit}"))).unwrap();
    }
    agent::install(root.path());
    // `bootctl install` copies the same files, but works only on a partition.
    let dir = root.esp().join("EFI/BOOT");
    fs::create_dir_all(&dir).unwrap();
    fs::copy(root.join("/usr/lib/systemd/boot/efi/systemd-bootx64.efi"), dir.join("BOOTX64.EFI")).unwrap();
    fs::write(root.esp().join("loader/loader.conf"), "timeout 0\n").unwrap();
}

fn configure_dracut(root: &RpmRoot, host: &str) {
    root.write("/etc/dracut.conf.d/test.conf", &format!("{host}\n{QUICK}\n"));
}

/// A machine with the root and its /boot on its disk.
pub struct Installed {
    machine: Machine,
    /// Holds the disk.
    _scratch: tempfile::TempDir,
}

impl Installed {
    pub fn new(root: &RpmRoot) -> Installed {
        configure_dracut(root, INSIDE);
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("disk.raw");
        disk::make(root.path(), Some(&root.esp()), DISK_MIB, &image);
        let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-rpm");
        Installed { machine: Machine::on(&image, "raw", None, &logs), _scratch: scratch }
    }

    pub fn boot(&mut self) -> Guest {
        self.machine.boot()
    }
}
