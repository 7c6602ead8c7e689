//! The packages beside those that the kernel's own `bindeb-pkg` and `binrpm-pkg` make of the same build
//! folder, under lintian and rpmlint, and beside Debian's own.
//!
//! The store is that of the target `real`.

#[path = "../real/harness.rs"]
#[allow(dead_code, reason = "the target real uses all of it")]
mod harness;

mod deb;
mod debian;
mod difference;
mod kbuild;
mod lint;
mod meant;
mod rpm;

use difference::compare;
use harness::have;
use kbuild::{Kernel, in_own_mounts};

const BUILDING: [&str; 12] = [
    "gcc",
    "make",
    "flex",
    "bison",
    "bc",
    "perl",
    "depmod",
    "rsync",
    "cpio",
    "dpkg-buildpackage",
    "rpmbuild",
    "unshare",
];

/// `None` where the test is left out or runs in another process.
fn kernel(test: &str, args: &[&str]) -> Option<Kernel> {
    if !have(&BUILDING) || !rustix::process::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "only root can mount");
        return None;
    }
    in_own_mounts(test).then(|| Kernel::new(args))
}

#[test]
fn the_kernels_own_targets_package_the_same_but_for_what_is_listed() {
    let test = "the_kernels_own_targets_package_the_same_but_for_what_is_listed";
    let args = ["--series", "copy-segments", "--kconfig", "boot", "--packages", "image,headers,libc-dev"];
    let Some(kernel) = kernel(test, &args) else { return };
    let release = kernel.release();
    let mut found = Vec::new();
    for (part, theirs, meant) in [
        ("image", format!("linux-image-{release}_"), &meant::DEB_IMAGE[..]),
        ("headers", format!("linux-headers-{release}_"), &meant::DEB_HEADERS),
        ("libc-dev", "linux-libc-dev_".to_owned(), &meant::DEB_LIBC_DEV),
    ] {
        let (ours, theirs) = (kernel.ours("deb", part), kernel.theirs(&theirs));
        let facts = |deb| deb::facts(deb, &release);
        found.extend(compare(&format!("deb {part}"), &facts(&ours), &facts(&theirs), meant));
    }
    for (part, theirs, meant) in
        [("image", "kernel-6", &meant::RPM_IMAGE[..]), ("libc-dev", "kernel-headers-", &meant::RPM_LIBC_DEV)]
    {
        let (ours, theirs) = (kernel.ours("rpm", part), kernel.theirs(theirs));
        let facts = |rpm| rpm::facts(rpm, &release);
        found.extend(compare(&format!("rpm {part}"), &facts(&ours), &facts(&theirs), meant));
    }
    found.extend(lint::problems(&kernel));
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
}
