//! Packages of a booted kernel, read by dpkg-deb and rpm.

use std::path::PathBuf;
use std::process::Command;

use crate::support::need::have;
use crate::support::tool::{LINE, Run, can_boot};

/// Runs a command that must succeed. Returns its standard output.
pub fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn dpkg_and_rpm_accept_the_packages_of_a_booted_kernel() {
    if !can_boot() || !have(&["dpkg-deb", "rpm"]) {
        return;
    }
    let run = Run::new(&["--release", LINE, "--series", "copy-segments"]).passed();
    let report = run.report();
    assert_eq!(report["boot"]["verdict"], "pass");
    let release = report["kernel"]["release"].as_str().unwrap().to_owned();
    let package = |kind: &str| {
        let artifacts = report["artifacts"].as_array().unwrap();
        let artifact = artifacts
            .iter()
            .find(|artifact| artifact["kind"] == kind && artifact["part"] == "image")
            .unwrap();
        let path = PathBuf::from(artifact["path"].as_str().unwrap());
        assert_eq!(path.parent(), Some(run.out.path()), "the packages are directly in --out");
        assert_eq!(path.metadata().unwrap().len(), artifact["bytes"].as_u64().unwrap());
        path.to_str().unwrap().to_owned()
    };

    let deb = package("deb");
    let info = output("dpkg-deb", &["--info", &deb]);
    assert!(info.contains(&format!("Package: linux-image-{release}\n")), "{info}");
    let contents = output("dpkg-deb", &["--contents", &deb]);
    for path in [
        format!("./lib/modules/{release}/vmlinuz"),
        format!("./boot/System.map-{release}"),
        format!("./boot/config-{release}"),
        format!("./lib/modules/{release}/modules.dep.bin"),
        format!("./lib/modules/{release}/modules.builtin"),
    ] {
        assert!(contents.lines().any(|line| line.ends_with(&format!(" {path}"))), "no {path} in\n{contents}");
    }
    assert!(contents.contains(".ko\n"), "no module in\n{contents}");

    let rpm = package("rpm");
    assert!(output("rpm", &["-K", &rpm]).trim_end().ends_with("digests OK"));
    assert!(output("rpm", &["-qip", &rpm]).contains("License     : GPL-2.0-only"));
    let files = output("rpm", &["-qlp", &rpm]);
    assert!(files.contains(&format!("/lib/modules/{release}/vmlinuz\n")), "{files}");
    assert!(files.contains(".ko\n"), "{files}");
}

#[test]
fn the_packaged_image_is_the_booted_one() {
    if !can_boot() || !have(&["dpkg-deb"]) {
        return;
    }
    let run =
        Run::new(&["package", "--release", LINE, "--series", "copy-segments", "--format", "deb"]).passed();
    let report = run.report();
    let release = report["kernel"]["release"].as_str().unwrap();
    let deb = report["artifacts"][0]["path"].as_str().unwrap();
    let root = tempfile::tempdir().unwrap();
    output("dpkg-deb", &["--extract", deb, root.path().to_str().unwrap()]);
    let image = std::fs::read(root.path().join(format!("lib/modules/{release}/vmlinuz"))).unwrap();
    use sha2::{Digest, Sha256};
    let sha256 = kpatch_build::base::digest::hex(&Sha256::digest(&image));
    assert_eq!(report["kernel"]["image_sha256"], sha256);
}
