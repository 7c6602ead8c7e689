//! Out-of-tree modules: one built manually, one by dkms.

use std::fs;
use std::path::Path;

use crate::support::systems::vm::Guest;

const SOURCE: &str = r#"#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/module.h>

static int __init hello_init(void)
{
	pr_info("hello\n");
	return 0;
}
module_init(hello_init);

static void __exit hello_exit(void)
{
	pr_info("goodbye\n");
}
module_exit(hello_exit);

MODULE_DESCRIPTION("Built with the headers package");
MODULE_LICENSE("GPL");
"#;

const DKMS: &str = "\
PACKAGE_NAME=hello-dkms
PACKAGE_VERSION=1.0
BUILT_MODULE_NAME[0]=hello_dkms
DEST_MODULE_LOCATION[0]=/updates
AUTOINSTALL=yes
";

/// Adds the sources to the delivery.
pub fn add(delivery: &Path) {
    for (dir, name) in [("hello", "hello"), ("dkms", "hello_dkms")] {
        let dir = delivery.join(dir);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(format!("{name}.c")), SOURCE).unwrap();
        fs::write(dir.join("Kbuild"), format!("obj-m := {name}.o\n")).unwrap();
    }
    fs::write(delivery.join("dkms/dkms.conf"), DKMS).unwrap();
}

/// Builds a module with `/lib/modules/RELEASE/build`, as driver documentation describes, and loads it.
pub fn out_of_tree(guest: &mut Guest) {
    let output =
        guest.must("cp -r /mnt/hello /root/ && make -C /lib/modules/$(uname -r)/build M=/root/hello W=e");
    assert!(!output.to_lowercase().contains("warning"), "{output}");
    guest.must("insmod /root/hello/hello.ko && test -d /sys/module/hello && rmmod hello");
    guest.must("dmesg | grep -q 'hello: hello$' && dmesg | grep -q 'hello: goodbye$'");
    guest.must("rm -r /root/hello");
}

pub fn add_to_dkms(guest: &mut Guest) {
    guest.must("cp -r /mnt/dkms /usr/src/hello-dkms-1.0 && dkms add hello-dkms/1.0");
}

/// Asserts that dkms built the module, started by the packages' hooks.
pub fn dkms_has_built(guest: &mut Guest, release: &str) {
    let status = guest.must(&format!("dkms status hello-dkms/1.0 -k {release}"));
    assert_eq!(status.trim_end(), format!("hello-dkms/1.0, {release}, x86_64: installed"));
}

pub fn dkms_loads(guest: &mut Guest) {
    let path = guest.must("modprobe hello_dkms && modinfo -F filename hello_dkms");
    assert!(path.contains("/updates/dkms/"), "{path}");
    guest.must("dmesg | grep -q 'hello_dkms: hello$' && modprobe -r hello_dkms");
}

/// Asserts that dkms removed the module with the last kernel it was built for; the source stays.
pub fn dkms_forgot(guest: &mut Guest) {
    assert_eq!(guest.must("dkms status hello-dkms/1.0"), "");
    guest.must("test ! -e /var/lib/dkms/hello-dkms && test -e /usr/src/hello-dkms-1.0/dkms.conf");
}

pub fn remove_source(guest: &mut Guest) {
    guest.must("rm -r /usr/src/hello-dkms-1.0");
}
