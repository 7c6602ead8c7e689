//! Compares our packages with Debian's own cloud kernel, field by field, as apt lists it.

use std::collections::BTreeSet;
use std::process::Command;

use super::deb::fields;
use super::difference::Side::{Both, Ours, Theirs};
use super::difference::{Facts, Meant, compare};
use super::kbuild::Kernel;
use crate::support::output::printed;

/// Fields of an index that packages do not have (apt's `Packages` files).
const INDEX: [&str; 7] = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "Description-md5", "Built-Using"];

const IMAGE: [Meant; 11] = [
    (Theirs, "field Source", SOURCE),
    (Both, "field Version", VERSION),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", "another configuration"),
    (Both, "field Description", "names the series"),
    (
        Theirs,
        "field Recommends",
        "no virtual machine has devices that need free firmware; AppArmor's profiles are for a kernel that confines by default",
    ),
    (
        Both,
        "field Suggests",
        "Debian's documentation describes Debian's kernel; ours suggests the headers for modules",
    ),
    (
        Ours,
        "field Provides",
        "satisfies dependencies on any kernel; in Debian, linux-image-amd64 provides it and depends on the newest kernel",
    ),
    (Theirs, "field Conflicts", UNSIGNED),
    (Theirs, "field Replaces", UNSIGNED),
    (Theirs, "field Breaks", "versions older than Debian 10; the packages support Debian 11 and later"),
];

const HEADERS: [Meant; 7] = [
    (Theirs, "field Source", SOURCE),
    (Both, "field Version", VERSION),
    (Both, "field Maintainer", MAINTAINER),
    (Both, "field Installed-Size", ONE_PACKAGE),
    (Both, "field Depends", ONE_PACKAGE),
    (Both, "field Description", "names the series"),
    (Ours, "field Provides", "dkms recommends linux-headers; in Debian, linux-headers-amd64 provides it"),
];

const LIBC_DEV: [Meant; 7] = [
    (Both, "field Multi-Arch", "Debian 12 has the same version for i386; no archive has this version for it"),
    (Theirs, "field Source", SOURCE),
    (Both, "field Version", VERSION),
    (Both, "field Maintainer", MAINTAINER),
    (
        Both,
        "field Installed-Size",
        "Debian's package has notes for more architectures, ours has the headers of another release",
    ),
    (Both, "field Description", "names the series"),
    (Ours, "field Provides", "kbuild's name for the package, which Debian's package provided until bullseye"),
];

const SOURCE: &str = "our packages have no source package in the archive";
const VERSION: &str = "another release of the kernel";
const MAINTAINER: &str = "not Debian's kernel team, which must not get the bug reports";
const UNSIGNED: &str =
    "Debian builds an unsigned package first and signs it in the archive; ours is one package";
const ONE_PACKAGE: &str = "Debian shares headers and host programs between flavours, in separate packages";

pub fn differences(kernel: &Kernel) -> Vec<String> {
    let abi = newest_abi();
    let mut found = Vec::new();
    for (part, theirs, meant) in [
        ("image", format!("linux-image-{abi}"), &IMAGE[..]),
        ("headers", format!("linux-headers-{abi}"), &HEADERS),
        ("libc-dev", "linux-libc-dev".to_owned(), &LIBC_DEV),
    ] {
        let ours = printed(Command::new("dpkg-deb").arg("--field").arg(kernel.ours("deb", part)));
        let ours = fields(&ours, &kernel.release());
        found.extend(compare(&format!("Debian's {part}"), &ours, &record(&theirs, &abi), meant));
    }
    found.extend(collisions(kernel));
    found.extend(shlibs(kernel));
    found
}

/// Returns a problem unless the headers depend on the packages that dpkg-shlibdeps finds for their host programs, and
/// on the programs that the Makefile runs. Without dynamic programs, dpkg-shlibdeps prints nothing.
fn shlibs(kernel: &Kernel) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let headers = kernel.ours("deb", "headers");
    printed(Command::new("dpkg-deb").arg("--extract").arg(&headers).arg(root.path()));
    // dpkg-shlibdeps requires a control file in its directory, and accepts only programs.
    std::fs::create_dir(root.path().join("debian")).unwrap();
    std::fs::write(root.path().join("debian/control"), "").unwrap();
    let programs =
        "find usr/src -type f -perm -100 -exec sh -c 'head -c 4 \"$1\" | grep -q ELF' sh {} ';' -print";
    let line = format!("{programs} | xargs dpkg-shlibdeps -O");
    let theirs = printed(Command::new("sh").args(["-ec", &line]).current_dir(root.path()));
    let theirs = theirs.trim().strip_prefix("shlibs:Depends=").unwrap_or_default().to_owned();
    let ours = printed(Command::new("dpkg-deb").arg("--field").arg(&headers).arg("Depends"));
    let names = |field: &str| -> BTreeSet<String> {
        field
            .split(',')
            .filter_map(|relation| relation.split_whitespace().next().map(str::to_owned))
            .collect()
    };
    let expected = &names(&theirs) | &names("gcc, make");
    (names(&ours) != expected).then(|| format!("shlibs: {} instead of {theirs}, gcc, make", ours.trim()))
}

/// Returns the ABI name of the kernel that linux-image-cloud-amd64 depends on: `6.1.0-56-cloud-amd64`.
fn newest_abi() -> String {
    let shown =
        printed(Command::new("apt-cache").args(["show", "--no-all-versions", "linux-image-cloud-amd64"]));
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: linux-image-"));
    depends.expect("apt knows Debian's kernels").split(' ').next().unwrap().to_owned()
}

fn record(name: &str, abi: &str) -> Facts {
    let shown = printed(Command::new("apt-cache").args(["show", "--no-all-versions", name]));
    let mut facts = fields(&shown, abi);
    facts.retain(|fact, _| !INDEX.iter().any(|field| fact == &format!("field {field}")));
    facts
}

/// Returns a problem for each package that has a name of Debian's, except linux-libc-dev, which replaces
/// Debian's.
fn collisions(kernel: &Kernel) -> Vec<String> {
    let known = printed(Command::new("apt-cache").arg("pkgnames"));
    let mut found = Vec::new();
    for deb in kernel.all("deb") {
        let name = printed(Command::new("dpkg-deb").arg("--field").arg(&deb).arg("Package"));
        if known.lines().any(|other| other == name.trim()) != (name.trim() == "linux-libc-dev") {
            found.push(format!("{} is a name of Debian's", name.trim()));
        }
    }
    found
}
