//! The oldest systems that the default compression supports: Debian 11, and RHEL 8 as far as it can be tested
//! without its archive.

use std::fs;
use std::process::Command;

use kpatch_build::base::options::{Compression, Format};
use kpatch_build::stages::package::write;

use crate::support::fixtures::fake_kernel::Machine;
use crate::support::need::have_root;
use crate::support::output::{must, text};
use crate::support::systems::debian_root::Root;

const RELEASE: &str = "6.1.187-copy-segments-boot";
/// Version of rpm in RHEL 8.
const OLDEST_RPM: [u32; 3] = [4, 14, 3];

fn bullseye() -> Root {
    Root::of("bullseye", "kmod,linux-base,initramfs-tools,rpm")
}

/// Copies the packages of a kernel into the root and returns the paths of the .deb and the .rpm there.
fn deliver(root: &Root, compression: Compression) -> (String, String) {
    let machine = Machine::new();
    let kernel = machine.modular_kernel(RELEASE);
    let mut request = machine.request();
    request.compression = compression;
    let packages = write(&machine.context, &request, &kernel).unwrap();
    let deliver = |format| {
        let package = packages.iter().find(|package| package.format == format).unwrap();
        let name = format!("{compression:?}.{format:?}").to_lowercase();
        fs::copy(&package.path, root.join(&name)).unwrap();
        format!("/{name}")
    };
    (deliver(Format::Deb), deliver(Format::Rpm))
}

#[test]
fn real_dpkg_of_debian_11_installs_the_default_and_gzip_but_not_zstd() {
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
    assert!(
        !output.status.success(),
        "dpkg accepts zstd, but --help says that it needs Debian 12: {}",
        text(&output)
    );
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
        // --noscripts skips the scripts that create the ghosts.
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

/// A package requires features of rpm, each with the version that introduced it; rpm refuses the package if
/// it is older.
#[test]
fn real_the_default_requires_no_feature_newer_than_the_rpm_of_rhel_8() {
    if !have_root(&["rpm"]) {
        return;
    }
    let machine = Machine::new();
    let packages = machine.package(&machine.modular_kernel(RELEASE)).unwrap();
    let rpm = packages.iter().find(|package| package.format == Format::Rpm).unwrap();
    let required = must(Command::new("rpm").args(["-qp", "--requires"]).arg(&rpm.path));
    // PayloadIsXz has the version number of rpm5; rpm.org's rpm has the feature since 4.8.
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
        let introduced: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
        assert!(introduced.as_slice() <= OLDEST_RPM.as_slice(), "rpm has {feature} since {version}");
    }
}
