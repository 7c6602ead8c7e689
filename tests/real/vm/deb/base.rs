//! A typical Debian 12: Debian's own kernel, initramfs-tools, GRUB for EFI, a compiler, dkms. Created once
//! and kept.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::support::systems::debian_root::{Root, SUITE, cache};
use crate::support::systems::vm::{Direct, Machine, agent, disk};

/// Packages of systemd, Debian's kernel and the boot loader, then those for building modules.
const PACKAGES: &str = "systemd-sysv,udev,dbus,kmod,linux-base,initramfs-tools,zstd,linux-image-cloud-amd64,\
                        grub-efi-amd64,e2fsprogs,gcc,make,dkms,libelf1";
const DISK_MIB: u64 = 4096;

/// Debian's configuration, except: an entry can be chosen for the next boot, a panic ends QEMU, and the
/// kernel skips its check of timer interrupts, which fails on a busy host. The menu is on the serial port,
/// like the firmware's output.
const GRUB: &str = "GRUB_DEFAULT=saved\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\nGRUB_TERMINAL=console\n\
                    GRUB_CMDLINE_LINUX=\"console=ttyS0 panic=-1 no_timer_check\"\n";

/// Fast compression of the initramfs, which takes most of the time on an emulated processor.
const COMPRESSION: &str = "COMPRESSLEVEL=1\n";

/// Maintenance that is unrelated to kernels.
const MASKED: [&str; 6] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
];

/// Returns a machine, powered off, with the system on its disk.
pub fn machine(name: &str) -> Machine {
    let (disk, variables) = kept();
    Machine::on(&disk, "qcow2", Some(&variables), &Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
}

/// Returns the disk and the firmware's variables, kept under a hash of their recipe.
fn kept() -> (PathBuf, PathBuf) {
    let recipe = [
        PACKAGES,
        &disk::recipe(),
        &disk::fstab("/boot/efi"),
        GRUB,
        COMPRESSION,
        &MASKED.concat(),
        &agent::recipe(),
        &DISK_MIB.to_string(),
    ]
    .concat();
    let key = &kpatch_build::base::digest::hex(&Sha256::digest(recipe))[..16];
    let dir = cache();
    let path = |ending| dir.join(format!("debian-{SUITE}-vm-{key}.{ending}"));
    let (disk, variables) = (path("qcow2"), path("fd"));
    let lock = File::create(path("lock")).unwrap();
    lock.lock().unwrap();
    if !disk.exists() {
        let scratch = tempfile::tempdir_in(&dir).unwrap();
        let machine = create(scratch.path());
        let unfinished = scratch.path().join("disk.qcow2");
        machine.save(&unfinished, &variables);
        fs::rename(unfinished, &disk).unwrap();
    }
    (disk, variables)
}

fn create(scratch: &Path) -> Machine {
    let name = format!("{SUITE}-vm-{}", &kpatch_build::base::digest::hex(&Sha256::digest(PACKAGES))[..8]);
    let debian = Root::with(&name, PACKAGES);
    let root = debian.path();
    configure(root);
    let image = scratch.join("disk.raw");
    disk::make(root, None, DISK_MIB, &image);
    let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-deb-base");
    let mut machine = Machine::on(&image, "raw", None, &logs);
    let append = format!("root=UUID={} ro console=ttyS0 panic=-1 no_timer_check", disk::ROOT_UUID);
    let direct = Direct { kernel: &root.join("vmlinuz"), initrd: &root.join("initrd.img"), append: &append };
    let mut guest = machine.boot_directly(&direct);
    // Debian's installer runs the same commands.
    guest.must("grub-install --target=x86_64-efi && update-grub");
    guest.shut_down();
    machine
}

fn configure(root: &Path) {
    let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
    write("etc/fstab", &disk::fstab("/boot/efi"));
    write("etc/hostname", "vm\n");
    write("etc/default/grub", GRUB);
    write("etc/initramfs-tools/conf.d/compression", COMPRESSION);
    fs::create_dir_all(root.join("boot/efi")).unwrap();
    for unit in MASKED {
        symlink("/dev/null", root.join("etc/systemd/system").join(unit)).unwrap();
    }
    agent::install(root);
}
