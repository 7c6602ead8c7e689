//! The oldest systems that the default compression is for: Debian 11, and RHEL 8 as far as it can be
//! tried without its archive.

use std::fs;
use std::process::Command;

use kpatch_build::base::options::{Compression, Format};
use kpatch_build::stages::package::write;

use crate::support::fixtures::fake_kernel::Machine;
use crate::support::need::have_root;
use crate::support::output::{must, text};
use crate::support::systems::debian_root::Root;

const RELEASE: &str = "6.1.187-copy-segments-boot";
/// rpm of RHEL 8.
const OLDEST_RPM: [u32; 3] = [4, 14, 3];

fn bullseye() -> Root {
    Root::of("bullseye", "kmod,linux-base,initramfs-tools,rpm")
}

/// Puts the packages of a kernel into the root: the names of the .deb and of the .rpm there.
fn deliver(root: &Root, compression: Compression) -> (String, String) {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let mut order = machine.order();
    order.compression = compression;
    let packages = write(&machine.context, &order, &kernel).unwrap();
    let deliver = |format| {
        let package = packages.iter().find(|package| package.format == format).unwrap();
        let name = format!("{compression:?}.{format:?}").to_lowercase();
        fs::copy(&package.path, root.join(&name)).unwrap();
        format!("/{name}")
    };
    (deliver(Format::Deb), deliver(Format::Rpm))
}

#[test]
fn real_dpkg_of_debian_11_installs_the_default_and_gzip_and_no_zstd() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let root = bullseye();
    assert!(root.must("dpkg --version").contains(" 1.20."));
    for compression in [Compression::default(), Compression::Gzip] {
        let (deb, _) = deliver(&root, compression);
        root.must(&format!("dpkg -i {deb}"));
        assert_eq!(root.must(&format!("dpkg --verify linux-image-{RELEASE}")), "");
        assert!(root.join(&format!("/boot/initrd.img-{RELEASE}")).exists());
        let needs = root.must(&format!("modprobe --show-depends -S {RELEASE} provider"));
        assert!(needs.contains("provider.ko"), "{needs}");
        root.must(&format!("dpkg --purge linux-image-{RELEASE}"));
        assert_eq!(root.traces(RELEASE), "");
    }
    let (deb, _) = deliver(&root, Compression::Zstd);
    let output = root.run(&format!("dpkg -i {deb}"));
    assert!(!output.status.success(), "--help says that it takes Debian 12: {}", text(&output));
}

#[test]
fn real_rpm_of_debian_11_reads_every_compression() {
    if !have_root(&["chroot", "mmdebstrap", "apt-get"]) {
        return;
    }
    let root = bullseye();
    assert!(root.must("rpm --version").contains(" 4.16."));
    for compression in [Compression::Xz, Compression::Zstd, Compression::Gzip] {
        let (_, rpm) = deliver(&root, compression);
        assert!(root.must(&format!("rpm -K {rpm}")).trim_end().ends_with(": digests OK"));
        root.must(&format!("rpm --install --nodeps --noscripts {rpm}"));
        let name = format!("kernel-kpatch-{RELEASE}");
        // The ghosts are made by the scripts that were left out.
        let verified = root.run(&format!("rpm --verify --nodeps {name}"));
        let differ: Vec<_> = text(&verified)
            .lines()
            .filter(|line| !(line.starts_with("missing") && line.contains("/boot/")))
            .map(str::to_owned)
            .collect();
        assert!(differ.is_empty(), "{differ:?}");
        root.must(&format!("rpm --erase --nodeps --noscripts {name}"));
    }
}

/// rpm refuses a package by the features that it requires of rpm itself; each names the version that
/// brought it.
#[test]
fn real_the_default_asks_for_nothing_that_came_after_the_rpm_of_rhel_8() {
    if !have_root(&["rpm"]) {
        return;
    }
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let rpm = packages.iter().find(|package| package.format == Format::Rpm).unwrap();
    let required = must(Command::new("rpm").args(["-qp", "--requires"]).arg(&rpm.path));
    // The number of PayloadIsXz is rpm5's; rpm.org's has it from 4.8 on.
    let features: Vec<_> = required
        .lines()
        .filter_map(|line| line.strip_prefix("rpmlib(")?.split_once(") <= "))
        .map(
            |(feature, version)| {
                if feature == "PayloadIsXz" { (feature, "4.8-1") } else { (feature, version) }
            },
        )
        .collect();
    assert!(features.len() >= 4, "{required}");
    for (feature, version) in features {
        let (version, _) = version.split_once('-').unwrap();
        let since: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
        assert!(since.as_slice() <= OLDEST_RPM.as_slice(), "{feature} came with {version}");
    }
}
