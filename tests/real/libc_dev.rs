//! The headers for programs on a Debian system that also has the C library of i386.

use std::fs;

use kpatch_build::base::options::{Format, Part};
use kpatch_build::stages::package::write;

use crate::support::fixtures::fake_kernel::Machine;
use crate::support::need::have_root;
use crate::support::output::text;
use crate::support::systems::debian_root::Root;

#[test]
fn real_the_headers_for_programs_leave_the_c_library_of_i386_installed() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let root = Root::with_i386("libc6-dev,libc6-dev:i386");
    let machine = Machine::new();
    let mut kernel = machine.modular_kernel("6.1.187-copy-segments-boot");
    machine.add_part(&mut kernel, Part::LibcDev, |dir| {
        for name in ["linux/io_uring.h", "asm/ptrace.h"] {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), "#pragma once\n").unwrap();
        }
    });
    let mut request = machine.request();
    (request.formats, request.parts) = (vec![Format::Deb], vec![Part::LibcDev]);
    let packages = write(&machine.context, &request, &kernel).unwrap();
    fs::copy(&packages[0].path, root.join("/libc-dev.deb")).unwrap();

    // dpkg alone refuses to replace the packages of two architectures by one, and changes nothing.
    let refused = root.run("dpkg -i /libc-dev.deb");
    assert!(!refused.status.success(), "{}", text(&refused));
    root.must("apt-get check && test -z \"$(dpkg --audit)\"");

    root.must("apt-get install -y --no-install-recommends /libc-dev.deb");
    let installed = root.must("dpkg-query -W -f '${Package}:${Architecture} ${db:Status-Abbrev}\n'");
    for package in ["libc6-dev:amd64 ii", "libc6-dev:i386 ii", "linux-libc-dev:amd64 ii"] {
        assert!(installed.contains(package), "{installed}");
    }
    root.must("apt-get check && test -z \"$(dpkg --audit)\"");
    assert!(root.join("/usr/include/i386-linux-gnu/asm/ptrace.h").exists());
}
