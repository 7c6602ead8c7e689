//! QEMU command lines.

use std::path::Path;

use crate::base::options::Accel;

/// The program's name.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// The kernel command line. `ttyS0` carries the kernel's messages and `ttyS1` the records: a kernel message
/// cannot interrupt a record.
const APPEND: &[&str] = &[
    "console=ttyS0",
    // Keeps addresses the same on every boot, which makes boots comparable.
    "norandmaps",
    // arch/x86/kernel/apic/io_apic.c counts timer ticks during a busy-wait and panics if too few arrive, which
    // happens to an emulated processor on a loaded host. The timer works; guests of KVM skip the check too.
    "no_timer_check",
    // With -no-reboot, a panic ends QEMU at once instead of waiting for the deadline.
    "panic=-1",
];

/// A file name inside an option's value: QEMU ends the value at a comma unless it is doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

fn accelerator(accel: Accel) -> Vec<String> {
    let name = match accel {
        Accel::Kvm => "kvm",
        Accel::Tcg => "tcg",
    };
    // `max` is the host's processor under KVM, and every feature that TCG emulates otherwise.
    strings(&["-accel", name, "-cpu", "max"])
}

/// A machine without network, display, or a monitor that waits for commands.
fn machine() -> Vec<String> {
    strings(&["-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-monitor", "none"])
}

fn kernel(image: &Path, initramfs: &Path, extra: &[&str]) -> Vec<String> {
    let append = [APPEND, extra].concat().join(" ");
    let mut args = strings(&["-no-reboot", "-kernel"]);
    args.push(image.to_string_lossy().into_owned());
    args.push("-initrd".into());
    args.push(initramfs.to_string_lossy().into_owned());
    args.extend(["-append".into(), append]);
    args
}

/// Sends the console to a file and the records to standard output.
fn ports(console: &Path) -> Vec<String> {
    let console = format!("file,id=console,path={}", escaped(console));
    strings(&[
        "-chardev",
        &console,
        "-serial",
        "chardev:console",
        "-chardev",
        "stdio,id=records,signal=off",
        "-serial",
        "chardev:records",
    ])
}

/// Arguments for a boot with the probe as init.
pub(super) fn observed(accel: Accel, image: &Path, initramfs: &Path, console: &Path) -> Vec<String> {
    // A distribution's kernel may print no warnings by default (CONSOLE_LOGLEVEL_DEFAULT=4): the console must show them.
    let kernel = kernel(image, initramfs, &["loglevel=7"]);
    [accelerator(accel), machine(), kernel, ports(console)].concat()
}

/// Arguments for a boot with a shell on the terminal; Ctrl-A X leaves it.
pub(super) fn interactive(accel: Accel, image: &Path, initramfs: &Path) -> Vec<String> {
    let machine = strings(&["-smp", "2", "-m", "1024", "-nodefaults", "-display", "none"]);
    let quiet = kernel(image, initramfs, &["quiet"]);
    [accelerator(accel), machine, quiet, strings(&["-serial", "mon:stdio"])].concat()
}

/// Exit status of QEMU after a guest writes [`EXIT_VALUE`] to [`EXIT_PORT`] (hw/misc/debugexit.c).
pub(super) const EXIT_STATUS: i32 = (EXIT_VALUE as i32) << 1 | 1;
/// The value that the boot sector writes.
pub(super) const EXIT_VALUE: u8 = 0x10;
/// The I/O port of the isa-debug-exit device.
pub(super) const EXIT_PORT: u8 = 0xf4;

/// Arguments for a guest that is one boot sector, with a port that ends QEMU.
pub(super) fn boot_sector(accel: Accel, sector: &Path) -> Vec<String> {
    let drive = format!("file={},format=raw,if=ide,snapshot=on", escaped(sector));
    let port = format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1");
    [accelerator(accel), machine(), strings(&["-no-reboot", "-drive", &drive, "-device", &port])].concat()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_after<'a>(args: &'a [String], flag: &str) -> Vec<&'a str> {
        args.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].as_str()).collect()
    }

    #[test]
    fn the_console_is_the_first_port_and_the_records_the_second() {
        let args = observed(Accel::Tcg, Path::new("/k"), Path::new("/i"), Path::new("/c"));
        assert_eq!(value_after(&args, "-serial"), ["chardev:console", "chardev:records"]);
        assert!(value_after(&args, "-chardev").contains(&"file,id=console,path=/c"));
        assert_eq!(value_after(&args, "-kernel"), ["/k"]);
        assert_eq!(value_after(&args, "-initrd"), ["/i"]);
        assert!(value_after(&args, "-append")[0].split(' ').any(|word| word == "norandmaps"));
    }

    #[test]
    fn a_tested_kernel_prints_its_warnings_and_one_with_a_shell_stays_quiet() {
        let level = |args: &[String]| {
            let line = value_after(args, "-append")[0].to_owned();
            let words = line.split(' ').filter(|word| word.starts_with("loglevel=") || *word == "quiet");
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let (image, initramfs) = (Path::new("/k"), Path::new("/i"));
        assert_eq!(level(&observed(Accel::Tcg, image, initramfs, Path::new("/c"))), ["loglevel=7"]);
        assert_eq!(level(&interactive(Accel::Tcg, image, initramfs)), ["quiet"]);
    }

    #[test]
    fn the_requested_accelerator_is_used() {
        assert_eq!(value_after(&accelerator(Accel::Kvm), "-accel"), ["kvm"]);
        assert_eq!(value_after(&accelerator(Accel::Tcg), "-accel"), ["tcg"]);
    }

    #[test]
    fn a_panic_ends_qemu_instead_of_restarting_the_guest() {
        let args = observed(Accel::Tcg, Path::new("/k"), Path::new("/i"), Path::new("/c"));
        assert!(args.contains(&"-no-reboot".to_owned()));
        assert!(value_after(&args, "-append")[0].split(' ').any(|word| word == "panic=-1"));
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_the_value() {
        let args = observed(Accel::Tcg, Path::new("/k"), Path::new("/i"), Path::new("/a,b"));
        assert!(value_after(&args, "-chardev").contains(&"file,id=console,path=/a,,b"));
    }

    #[test]
    fn the_exit_status_follows_from_the_exit_value() {
        assert_eq!(EXIT_STATUS, 33);
    }
}
