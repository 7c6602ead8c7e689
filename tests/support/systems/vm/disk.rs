//! A disk image made from directories: GPT, an EFI system partition, and a root file system.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::output::printed;

/// UUID of the root file system, for `root=UUID=…` and `/etc/fstab`.
pub const ROOT_UUID: &str = "6b706174-6368-4275-a96c-640000000001";
/// Volume ID of the EFI system partition, in mkfs.vfat's format and in blkid's.
const ESP_ID: &str = "6B706254";
pub const ESP_UUID: &str = "6B70-6254";

const MIB: u64 = 1 << 20;
/// Start and size in MiB; the last MiB of the disk is for the backup GPT.
const ESP: (u64, u64) = (1, 256);
const ROOT_START: u64 = ESP.0 + ESP.1;

/// Returns the lines for `/etc/fstab`, with the EFI system partition at `esp`. On a busy host, a device may need more
/// than the 90 seconds after which systemd gives up.
pub fn fstab(esp: &str) -> String {
    format!(
        "UUID={ROOT_UUID} / ext4 defaults 0 1\n\
         UUID={ESP_UUID} {esp} vfat umask=0077,x-systemd.device-timeout=600 0 1\n"
    )
}

/// Creates the raw, sparse image `to` of `mib` MiB, with the content of `root` in the root file system and the content
/// of `esp` in the EFI system partition. Owners and modes are kept, so this requires root.
pub fn make(root: &Path, esp: Option<&Path>, mib: u64, to: &Path) {
    let scratch = tempfile::tempdir_in(to.parent().expect("a file has a parent directory")).unwrap();
    sparse(to, mib);
    partition(to);
    // GRUB 2.06 cannot read file systems with the newest features.
    printed(
        Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-L", "root", "-O", "^metadata_csum_seed", "-U", ROOT_UUID])
            .arg(format!("-Eoffset={}", ROOT_START * MIB))
            .arg("-d")
            .arg(root)
            .arg(to)
            .arg(format!("{}M", mib - ROOT_START - 1)),
    );
    let file = scratch.path().join("esp");
    sparse(&file, ESP.1);
    printed(Command::new("mkfs.vfat").args(["-F", "32", "-s", "1", "-n", "ESP", "-i", ESP_ID]).arg(&file));
    if let Some(directory) = esp {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        printed(Command::new("mcopy").arg("-i").arg(&file).arg("-s").args(entries).arg("::"));
    }
    printed(
        Command::new("dd")
            .arg(format!("if={}", file.display()))
            .arg(format!("of={}", to.display()))
            .args(["bs=1M", "conv=notrunc,sparse", "status=none"])
            .arg(format!("seek={}", ESP.0)),
    );
}

fn sparse(file: &Path, mib: u64) {
    File::create(file).and_then(|file| file.set_len(mib * MIB)).unwrap();
}

/// Partitions the disk; the types are those of the Discoverable Partitions Specification for the EFI system partition
/// and the root of x86-64.
fn partition(disk: &Path) {
    let table = format!(
        "label: gpt\nfirst-lba: 34\nstart={}MiB, size={}MiB, type=uefi, name=esp\n\
         start={ROOT_START}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root\n",
        ESP.0, ESP.1
    );
    let mut child = Command::new("sfdisk")
        .arg("--quiet")
        .arg(disk)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sfdisk can be started");
    child.stdin.take().expect("piped").write_all(table.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "sfdisk");
}

/// Returns the text that an image depends on: part of the key under which the image is kept.
pub fn recipe() -> String {
    format!("{ESP:?}{ROOT_START}{ROOT_UUID}{ESP_ID}")
}

/// Creates an ext4 image of `directory` at `to`, for a guest's second disk.
pub fn delivery(directory: &Path, to: &Path) {
    let kib = printed(Command::new("du").args(["-sk"]).arg(directory));
    let kib: u64 = kib.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("du");
    sparse(to, kib / 1024 * 5 / 4 + 16);
    printed(
        Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"])
            .arg(directory)
            .arg(to),
    );
}
