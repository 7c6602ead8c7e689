//! Compares the packages with those of the kernel's own `bindeb-pkg` and `binrpm-pkg` from the same build
//! directory and with Debian's own kernel, and checks them with lintian and rpmlint.

mod btf;
mod deb;
mod debian;
mod difference;
mod kbuild;
mod lint;
mod meant;
mod rpm;

use difference::compare;
use kbuild::{Kernel, in_own_mounts};

use crate::support::need::have_root;
use crate::support::tool::TYPES;

const NEEDED: [&str; 17] = [
    "gcc",
    "make",
    "flex",
    "bison",
    "bc",
    "perl",
    "depmod",
    "pahole",
    "rsync",
    "cpio",
    "dpkg-buildpackage",
    "rpmbuild",
    "unshare",
    "mount",
    "apt-cache",
    "lintian",
    "rpmlint",
];

/// `None` if the test is skipped or runs in another process.
fn kernel(test: &str, args: &[&str]) -> Option<Kernel> {
    if !have_root(&NEEDED) {
        return None;
    }
    in_own_mounts(test).then(|| Kernel::new(args))
}

#[test]
fn the_kernels_own_targets_package_the_same_except_for_listed_differences() {
    let test = "the_kernels_own_targets_package_the_same_except_for_listed_differences";
    let args = ["--series", "copy-segments", "--kconfig", "cloud", "--packages", "image,headers,libc-dev"];
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
    found.extend(debian::differences(&kernel));
    found.extend(lint::problems(&kernel.all("deb"), &kernel.all("rpm"), &lint::KERNEL));
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
}

#[test]
fn debug_packages_match_the_kernels_own_target_and_modules_get_btf() {
    let test = "debug_packages_match_the_kernels_own_target_and_modules_get_btf";
    let dir = tempfile::tempdir().unwrap();
    let args = ["--series", "copy-segments", "--kconfig", TYPES, "--packages", "image,headers,debug"];
    let Some(kernel) = kernel(test, &args) else { return };
    let release = kernel.release();
    let (ours, theirs) = (kernel.ours("deb", "debug"), kernel.theirs(&format!("linux-image-{release}-dbg_")));
    let mut found =
        compare("deb debug", &deb::facts(&ours, &release), &deb::facts(&theirs, &release), &meant::DEB_DEBUG);
    found.extend(lint::problems(&[ours], &[kernel.ours("rpm", "debug")], &lint::DEBUG));
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
    btf::assert_modules_have_btf(&kernel, dir.path());
}
