//! A signed kernel of a real release, on a virtual machine whose firmware enforces Secure Boot.

mod firmware;
mod kernel;

use std::fs;
use std::path::Path;
use std::process::Command;

use firmware::Disk;
use kernel::kernel;

use crate::support::output::printed;
use crate::support::tool::{Run, store};

/// `EKEYREJECTED` (include/uapi/asm-generic/errno.h).
const REJECTED: &str = "129";
/// Messages of the firmware's boot manager when it refuses an untrusted image, and when it starts an image.
const REFUSED: &str = "BdsDxe: failed to load Boot0000 \"kernel\" from \\vmlinuz.efi: Access Denied";
const STARTED: &str = "BdsDxe: starting Boot0000";

#[test]
fn real_public_tools_verify_the_signatures_in_the_packages() {
    let Some(kernel) = kernel() else { return };
    let report = &kernel.report;
    assert_eq!(report["boot"]["verdict"], "pass", "the signed kernel is booted and judged like any other");
    let fingerprint = kpatch_build::base::digest::hex(&kernel.keys.fingerprint());
    assert_eq!(report["kernel"]["signed_by"]["sha256"], fingerprint);
    assert_eq!(report["kernel"]["signed_by"]["subject"], "CN=kpatch-build test");
    for root in [&kernel.deb(), &kernel.rpm()] {
        let image = kernel.image_in(root);
        let text = printed(Command::new("sbverify").arg("--cert").arg(&kernel.keys.cert).arg(&image));
        assert!(text.contains("Signature verification OK"), "{text}");
        let other = Command::new("sbverify").arg("--cert").arg(&kernel.others.cert).arg(&image).output();
        assert!(!other.unwrap().status.success(), "sbverify accepts any key");
        let bytes = fs::read(&image).unwrap();
        let sha256 = kpatch_build::base::digest::hex(&<sha2::Sha256 as sha2::Digest>::digest(bytes));
        assert_eq!(report["kernel"]["image_sha256"], sha256, "the packaged image is the booted one");
        let modinfo =
            |field: &str| printed(Command::new("modinfo").args(["-F", field]).arg(kernel.module_in(root)));
        assert_eq!(modinfo("sig_id").trim(), "PKCS#7");
        assert_eq!(modinfo("signer").trim(), "kpatch-build test");
        assert_eq!(modinfo("sig_hashalgo").trim(), "sha512");
    }
}

#[test]
fn real_the_private_key_is_in_no_file() {
    let Some(kernel) = kernel() else { return };
    let text = fs::read_to_string(&kernel.keys.key).unwrap();
    // A line from the middle of the key: no file may contain it.
    let line = text.lines().nth(9).unwrap();
    let mut places = vec![kernel.build_dir(), kernel.out(), kernel.deb()];
    places.extend(kernel.results());
    for place in places {
        let found = Command::new("grep").args(["-rlaF", "--", line]).arg(&place).output().unwrap();
        assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
    }
    // The kernel's own build did not generate a key either.
    assert!(!kernel.build_dir().join("certs/signing_key.pem").exists());
}

#[test]
fn real_signing_again_gives_the_same_packages() {
    let Some(kernel) = kernel() else { return };
    let stage = |report: &serde_json::Value, name: &str| {
        report["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name).unwrap().clone()
    };
    let key = stage(&kernel.report, "sign")["key"].as_str().unwrap().to_owned();
    fs::remove_dir_all(store().join("results").join(key)).unwrap();
    let again = Run::new(&[&["package"], &kernel::arguments(&kernel.keys)[..]].concat()).passed();
    assert_eq!(stage(&again.report(), "build")["status"], "cached");
    assert_eq!(stage(&again.report(), "sign")["status"], "done");
    let sums = |report: &serde_json::Value| -> Vec<String> {
        report["artifacts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|artifact| artifact["sha256"].to_string())
            .collect()
    };
    assert!(sums(&kernel.report).len() >= 4, "image and headers in both formats");
    assert_eq!(sums(&again.report()), sums(&kernel.report));
}

#[test]
fn real_firmware_starts_the_signed_kernel_which_loads_only_signed_modules() {
    let Some(kernel) = kernel() else { return };
    let dir = tempfile::tempdir().unwrap();
    let modules = dir.path().join("modules");
    fs::create_dir(&modules).unwrap();
    let signed = fs::read(kernel.module_in(&kernel.deb())).unwrap();
    let unsigned = fs::read(kernel.unsigned_module()).unwrap();
    assert!(signed.starts_with(&unsigned) && signed.len() > unsigned.len());
    fs::write(modules.join("a-unsigned.ko"), &unsigned).unwrap();
    let mut altered = signed.clone();
    altered[unsigned.len() - 1] ^= 1;
    fs::write(modules.join("b-altered.ko"), altered).unwrap();
    fs::write(modules.join("c-foreign.ko"), &unsigned).unwrap();
    // The kernel's own program, from the headers package.
    printed(Command::new(kernel.headers().join("scripts/sign-file")).arg("sha512").args([
        &kernel.others.key,
        &kernel.others.cert,
        &modules.join("c-foreign.ko"),
    ]));
    fs::write(modules.join("d-signed.ko"), signed).unwrap();
    let initramfs = initramfs(dir.path(), &modules);
    let image = kernel.image_in(&kernel.deb());
    let disk = Disk { image: &image, initramfs: &initramfs };
    let console = firmware::boot(&kernel.keys.cert, disk, &["guest: done", REFUSED, "Kernel panic"]);
    for line in [
        STARTED,
        "Secure boot enabled",
        "guest: SecureBoot 1",
        &format!("guest: a-unsigned.ko {REJECTED}"),
        &format!("guest: b-altered.ko {REJECTED}"),
        &format!("guest: c-foreign.ko {REJECTED}"),
        "guest: d-signed.ko 0",
        "Loading of unsigned module is rejected",
        "Loading of module with unavailable key is rejected",
    ] {
        assert!(console.contains(line), "no {line:?}");
    }
}

#[test]
fn real_firmware_refuses_an_unsigned_an_altered_and_a_foreign_image() {
    let Some(kernel) = kernel() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (unsigned, altered, foreign) = (kernel.unsigned_image(), dir.path().join("a"), dir.path().join("f"));
    printed(
        Command::new("sbsign")
            .arg("--key")
            .arg(&kernel.others.key)
            .arg("--cert")
            .arg(&kernel.others.cert)
            .arg("--output")
            .args([&foreign, &unsigned]),
    );
    let mut bytes = fs::read(kernel.image_in(&kernel.deb())).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&altered, bytes).unwrap();
    let nothing = dir.path().join("nothing");
    fs::write(&nothing, "").unwrap();
    for image in [&unsigned, &altered, &foreign] {
        let disk = Disk { image, initramfs: &nothing };
        let console = firmware::boot(&kernel.keys.cert, disk, &[REFUSED, STARTED]);
        assert!(console.contains(REFUSED) && !console.contains(STARTED), "{}", image.display());
    }
    // A machine that trusts the other key starts the foreign image: the refusal depends on the key.
    let disk = Disk { image: &foreign, initramfs: &nothing };
    let console = firmware::boot(&kernel.others.cert, disk, &[REFUSED, STARTED]);
    assert!(console.contains(STARTED), "the firmware refuses everything");
}

/// Writes a cpio archive of the guest's init and the modules that it tries to load.
fn initramfs(dir: &Path, modules: &Path) -> std::path::PathBuf {
    let root = dir.join("root");
    for dir in ["dev", "sys"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/secureboot/guest.c");
    printed(
        Command::new("gcc")
            .args(["-static", "-O1", "-Wall", "-Werror", "-o"])
            .arg(root.join("init"))
            .arg(source),
    );
    fs::rename(modules, root.join("modules")).unwrap();
    let archive = dir.join("initrd.img");
    let line = "find . | cpio --quiet --create --format=newc > \"$1\"";
    printed(Command::new("sh").args(["-ec", line, "sh"]).arg(&archive).current_dir(&root));
    archive
}
