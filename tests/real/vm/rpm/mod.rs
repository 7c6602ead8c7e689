//! rpm, dnf, kernel-install, dracut and systemd-boot in Debian's builds, see `rpm_root`; Fedora itself was
//! not available.

mod kernel;
mod system;

use kernel::Kernel;

use crate::support::need::have_root;
use crate::support::systems::rpm_root::{self, MACHINE_ID, RpmRoot, quiet, traces};
use crate::support::systems::vm::{self, Guest};
use crate::support::tool;

/// Both series have the same release, so one build directory serves both. systemd-boot starts the highest
/// version, which is the second one.
const FIRST: &str = "copy-segments";
const SECOND: &str = "zeroed";

#[test]
fn real_two_kernels_are_installed_booted_and_removed() {
    if !have_root(&rpm_root::PROGRAMS) || !have_root(&vm::PROGRAMS) || !tool::can_boot() {
        return;
    }
    let (first, second) = (Kernel::packaged(FIRST), Kernel::packaged(SECOND));
    let root = RpmRoot::new();
    system::configure(&root);
    let (image, devel) = (first.deliver(&first.image, &root), first.deliver(&first.devel, &root));
    root.quietly(&format!("dnf -y install {image} {devel}"));
    assert_installed(&mut |line| root.must(line), &first);
    build_module(&root, &first);
    vm::probe::add(&root.join("/opt"));
    let file = second.deliver(&second.image, &root);
    let mut machine = system::Installed::new(&root);

    let mut guest = machine.boot();
    assert_runs(&mut guest, &first);
    vm::probe::passes(&mut guest, "/opt/probe", FIRST);
    guest.must("insmod /root/module/hello.ko && grep -q '^hello ' /proc/modules && rmmod hello");
    quiet(&guest.must(&format!("dnf -y install {file}")));
    for kernel in [&first, &second] {
        assert_installed(&mut |line| guest.must(line), kernel);
    }
    guest.shut_down();

    let mut guest = machine.boot();
    assert_runs(&mut guest, &second);
    vm::probe::passes(&mut guest, "/opt/probe", SECOND);
    quiet(&guest.must(&format!("dnf -y remove {0} {0}-devel", first.name())));
    assert_eq!(guest.must(&traces(&first.release)), "");
    assert_eq!(guest.must("ls /boot/loader/entries"), format!("{MACHINE_ID}-{}.conf\n", second.release));
    assert_installed(&mut |line| guest.must(line), &second);
    guest.shut_down();

    let mut guest = machine.boot();
    assert_runs(&mut guest, &second);
    guest.shut_down();
}

/// Asserts that rpm verifies the package, and that the boot loader has an entry whose files exist.
fn assert_installed(must: &mut dyn FnMut(&str) -> String, kernel: &Kernel) {
    let (name, release) = (kernel.name(), &kernel.release);
    assert_eq!(must(&format!("rpm --verify {name}")), "");
    let dir = format!("/{MACHINE_ID}/{release}");
    let entry = must(&format!("cat /boot/loader/entries/{MACHINE_ID}-{release}.conf"));
    for line in
        [["version", release], ["linux", &format!("{dir}/linux")], ["initrd", &format!("{dir}/initrd")]]
    {
        assert!(entry.lines().any(|found| found.split_whitespace().eq(line)), "no {line:?} in\n{entry}");
    }
    must(&format!("cmp /lib/modules/{release}/vmlinuz /boot{dir}/linux && test -s /boot{dir}/initrd"));
    let owner = must(&format!("rpm -qf --queryformat '%{{NAME}}\\n' /lib/modules/{release}/vmlinuz"));
    assert_eq!(owner.trim(), name);
}

fn assert_runs(guest: &mut Guest, kernel: &Kernel) {
    assert_eq!(guest.must("uname -r").trim(), kernel.release);
    assert_eq!(guest.must("systemctl --failed --plain --no-legend"), "");
}

/// Builds a module with the installed headers package, as a user does.
fn build_module(root: &RpmRoot, kernel: &Kernel) {
    const MODULE: &str = "#include <linux/module.h>\n\
        static int __init hello_init(void) { return 0; }\nmodule_init(hello_init);\n\
        static void __exit hello_exit(void) { }\nmodule_exit(hello_exit);\n\
        MODULE_DESCRIPTION(\"Built with -devel\");\nMODULE_LICENSE(\"GPL\");\n";
    root.write("/root/module/hello.c", MODULE);
    root.write("/root/module/Kbuild", "obj-m := hello.o\n");
    root.must(&format!("make -C /lib/modules/{}/build M=/root/module modules", kernel.release));
}
