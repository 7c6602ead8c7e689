//! A disk, the firmware's variables, and the arguments of QEMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk;
use super::guest::Guest;
use crate::support::output::must;

/// Debian's `ovmf`: the code is shared, the variables are copied for each machine.
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// A kernel that QEMU loads, for an image that has no boot loader yet.
pub struct Direct<'a> {
    pub kernel: &'a Path,
    pub initrd: &'a Path,
    pub append: &'a str,
}

/// A machine that is powered off.
pub struct Machine {
    scratch: tempfile::TempDir,
    /// Directory of the console logs, one for each boot; it outlives the test.
    logs: PathBuf,
    boots: u32,
    deliveries: u32,
}

impl Machine {
    /// Returns a machine with an overlay over `image` (raw or qcow2), which stays unchanged. `variables` is the file that
    /// [`Machine::save`] wrote; without it, the firmware has its defaults.
    pub fn on(image: &Path, format: &str, variables: Option<&Path>, logs: &Path) -> Machine {
        let _ = fs::remove_dir_all(logs);
        fs::create_dir_all(logs).unwrap();
        let machine =
            Machine { scratch: tempfile::tempdir().unwrap(), logs: logs.to_owned(), boots: 0, deliveries: 0 };
        must(
            Command::new("qemu-img")
                .args(["create", "-q", "-f", "qcow2", "-F", format, "-b"])
                .arg(fs::canonicalize(image).unwrap())
                .arg(machine.disk()),
        );
        fs::copy(variables.unwrap_or(Path::new(VARIABLES)), machine.variables()).unwrap();
        machine
    }

    /// Saves the disk, compressed, and the firmware's variables.
    pub fn save(&self, disk: &Path, variables: &Path) {
        let convert = ["convert", "-O", "qcow2", "-c", "-o", "compression_type=zstd"];
        must(Command::new("qemu-img").args(convert).arg(self.disk()).arg(disk));
        fs::copy(self.variables(), variables).unwrap();
    }

    /// Attaches the content of `directory` to the next boots as `/dev/disk/by-id/virtio-delivery`, ext4.
    pub fn deliver(&mut self, directory: &Path) {
        self.deliveries += 1;
        disk::delivery(directory, &self.delivery());
    }

    /// Powers on: firmware, boot loader, kernel. Returns when the guest accepts commands.
    pub fn boot(&mut self) -> Guest {
        self.start(&[])
    }

    /// Powers on with a kernel from the host. Returns when the guest accepts commands.
    pub fn boot_directly(&mut self, direct: &Direct) -> Guest {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        self.start(&[
            "-kernel".into(),
            path(direct.kernel),
            "-initrd".into(),
            path(direct.initrd),
            "-append".into(),
            direct.append.into(),
        ])
    }

    fn start(&mut self, more: &[String]) -> Guest {
        self.boots += 1;
        let console = self.logs.join(format!("console-{}.log", self.boots));
        let port = self.scratch.path().join(format!("commands-{}", self.boots));
        let mut args = hardware();
        args.extend(self.drives());
        args.extend(serial_ports(&console, &port));
        args.extend_from_slice(more);
        Guest::start(args, &port, console)
    }

    fn disk(&self) -> PathBuf {
        self.scratch.path().join("disk.qcow2")
    }

    fn variables(&self) -> PathBuf {
        self.scratch.path().join("variables.fd")
    }

    fn delivery(&self) -> PathBuf {
        self.scratch.path().join(format!("delivery-{}.ext4", self.deliveries))
    }

    fn drives(&self) -> Vec<String> {
        let mut drives = vec![
            format!("if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}"),
            format!("if=pflash,format=raw,unit=1,file={}", self.variables().display()),
            // The file is removed with the test, so QEMU does not need to flush it to the host's disk.
            format!("if=virtio,format=qcow2,cache=unsafe,file={}", self.disk().display()),
        ];
        let mut args = Vec::new();
        if self.deliveries > 0 {
            let file = self.delivery();
            drives.push(format!("if=none,id=delivery,format=raw,readonly=on,file={}", file.display()));
            args.extend(["-device".into(), "virtio-blk-pci,drive=delivery,serial=delivery".into()]);
        }
        args.extend(drives.into_iter().flat_map(|drive| ["-drive".to_owned(), drive]));
        args
    }
}

/// TCG works on every host. With `-no-reboot`, a restart and a panic (`panic=-1`) end QEMU, so no test mistakes a second
/// boot for the first.
fn hardware() -> Vec<String> {
    let words = "-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -no-user-config \
                 -display none -monitor none -no-reboot -device virtio-rng-pci";
    words.split_whitespace().map(str::to_owned).collect()
}

fn serial_ports(console: &Path, commands: &Path) -> Vec<String> {
    vec![
        "-chardev".into(),
        format!("file,id=console,path={}", console.display()),
        "-serial".into(),
        "chardev:console".into(),
        "-chardev".into(),
        format!("socket,id=commands,path={},server=on,wait=off", commands.display()),
        "-serial".into(),
        "chardev:commands".into(),
    ]
}
