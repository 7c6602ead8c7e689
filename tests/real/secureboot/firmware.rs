//! A virtual machine whose firmware, OVMF, enforces Secure Boot and trusts one certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kpatch_build::base::process::{self, Flow, set_supervisor};
use kpatch_build::base::stop::Stop;

use crate::support::need::present;

const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// Owner of the keys; any GUID works.
const OWNER: &str = "7a1e0f6c-1f0a-4d5b-8c56-0d3e7a3f2b90";
/// `EFI_GLOBAL_VARIABLE`.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Without `no_timer_check` the kernel panics if it gets too few timer interrupts in a few milliseconds, as
/// on a busy host without KVM (arch/x86/kernel/apic/io_apic.c, `timer_irq_works`).
const COMMAND_LINE: &str = r"console=ttyS0 initrd=\initrd.img module.sig_enforce=1 no_timer_check panic=-1";
/// Far longer than a guest needs on two shared processors.
const DEADLINE: Duration = Duration::from_secs(400);

pub fn is_there() -> bool {
    present(CODE, Path::new(CODE).exists())
}

/// Files on the disk.
pub struct Disk<'a> {
    pub image: &'a Path,
    pub initramfs: &'a Path,
}

/// Boots the image with the firmware's boot manager, without a boot loader, and returns the output of the
/// serial console up to the first line that contains one of `ends`.
pub fn boot(trusted: &Path, disk: Disk, ends: &[&str]) -> String {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    let dir = tempfile::tempdir().unwrap();
    let (variables, files) = (variables(dir.path(), trusted), dir.path().join("disk"));
    fs::create_dir(&files).unwrap();
    fs::copy(disk.image, files.join("vmlinuz.efi")).unwrap();
    fs::copy(disk.initramfs, files.join("initrd.img")).unwrap();
    let mut console = String::new();
    let mut ended = false;
    let on_line = |line: &str| {
        console += line;
        console += "\n";
        ended = ends.iter().any(|end| line.contains(end));
        if ended { Flow::Enough } else { Flow::Continue }
    };
    let result = process::Command::new("qemu-system-x86_64")
        .args(["-machine", "q35,smm=on", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024"])
        .args(["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"])
        // Only the firmware can write the variables, so nothing in the guest can change the keys.
        .args(["-global", "driver=cfi.pflash01,property=secure,value=on"])
        .arg("-drive")
        .arg(format!("if=pflash,unit=0,format=raw,readonly=on,file={CODE}"))
        .arg("-drive")
        .arg(format!("if=pflash,unit=1,format=raw,file={}", variables.display()))
        .arg("-drive")
        .arg(format!("if=virtio,format=raw,readonly=on,file=fat:{}", files.display()))
        .args(["-serial", "stdio"])
        .deadline(DEADLINE)
        .on_line(on_line)
        .run(&Stop::default());
    eprintln!("{console}");
    result.unwrap();
    assert!(ended, "the guest ended before any of {ends:?}");
    console
}

/// Writes the firmware's variables: its keys, and one entry of its boot manager.
fn variables(dir: &Path, trusted: &Path) -> PathBuf {
    let (entry, variables) = (dir.join("boot.json"), dir.join("variables.fd"));
    fs::write(&entry, boot_entry().to_string()).unwrap();
    let mut command = Command::new("virt-fw-vars");
    command.args(["--input", VARIABLES, "--output"]).arg(&variables);
    for list in ["--set-pk", "--add-kek", "--add-db"] {
        command.args([list, OWNER]).arg(trusted);
    }
    let output = command.arg("--secure-boot").arg("--set-json").arg(&entry).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    variables
}

/// Returns an `EFI_LOAD_OPTION` (UEFI 2.10, section 3.1.3) for the image, with the kernel's command line.
fn boot_entry() -> serde_json::Value {
    let wide =
        |text: &str| -> Vec<u8> { text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect() };
    let file = wide(r"\vmlinuz.efi");
    // A file path (4, 4), then the end of the device path (0x7f, 0xff).
    let length = (4 + file.len() as u16).to_le_bytes();
    let path = [&[4, 4][..], &length, &file, &[0x7f, 0xff, 4, 0]].concat();
    let active = 1_u32.to_le_bytes();
    let length = (path.len() as u16).to_le_bytes();
    let option = [&active[..], &length, &wide("kernel"), &path, &wide(COMMAND_LINE)].concat();
    let variable = |name: &str, data: &[u8]| {
        // 7: non-volatile, accessible to boot services and at run time.
        serde_json::json!({"name": name, "guid": GLOBAL, "attr": 7, "data": kpatch_build::base::digest::hex(data)})
    };
    serde_json::json!({"version": 2, "variables": [variable("Boot0000", &option), variable("BootOrder", &[0, 0])]})
}
