//! The documents next to the packages are complete and reproducible, and every change to a file is detected.

use std::fs;
use std::path::Path;

use kpatch_build::base::digest::hex;
use kpatch_build::base::openpgp::verify::Certificates;
use kpatch_build::base::stop::Stop;
use kpatch_build::report::attest as evidence;
use kpatch_build::report::attest::Verification;
use pgp::composed::KeyType;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::fixtures::packages::{Workspace, armoured, certificate, files, secret_key};
use crate::support::output::{stderr, stdout};

const DOCUMENTS: [&str; 4] = ["SHA256SUMS", "provenance.intoto.json", "report.json", "sbom.spdx.json"];

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn sha256(path: &Path) -> String {
    hex(&Sha256::digest(fs::read(path).unwrap()))
}

fn check(directory: &Path, keyring: Option<&Certificates>) -> Verification {
    evidence::check(directory, keyring, &Stop::default()).unwrap()
}

/// Changes a document and its checksum, like an attacker who hides the change.
fn forge(directory: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let path = directory.join(name);
    let (mut value, before) = (json(&path), sha256(&path));
    change(&mut value);
    fs::write(&path, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    resum(directory, &before, &sha256(&path));
}

/// Replaces a checksum in `SHA256SUMS`.
fn resum(directory: &Path, before: &str, after: &str) {
    let sums = directory.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    assert!(text.contains(before), "{text}");
    fs::write(sums, text.replace(before, after)).unwrap();
}

#[test]
fn checksums_bill_of_materials_and_provenance_name_the_packages() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &[]) else { return };
    let report = json(&out.join("report.json"));
    let packages: Vec<String> =
        files(&out).into_iter().filter(|name| !DOCUMENTS.contains(&name.as_str())).collect();
    assert_eq!(packages.len(), 2, "{packages:?}");
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let named: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    let mut expected: Vec<_> =
        packages.iter().map(String::as_str).chain(DOCUMENTS[1..].iter().copied()).collect();
    expected.sort();
    assert_eq!(named, expected);

    let sbom = json(&out.join("sbom.spdx.json"));
    let element = |id: &str| {
        let all = sbom["packages"].as_array().unwrap();
        all.iter().find(|package| package["SPDXID"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    let source = element("SPDXRef-Source")["sourceInfo"].as_str().unwrap().to_owned();
    assert!(source.contains(report["source"]["sha256"].as_str().unwrap()), "{source}");
    assert!(source.contains("verified by: nobody: a folder of the user's own"), "{source}");
    assert_eq!(element("SPDXRef-Kernel")["checksums"][0]["checksumValue"], report["kernel"]["image_sha256"]);
    let patch =
        sbom["files"].as_array().unwrap().iter().find(|file| file["fileName"] == "./one.patch").unwrap();
    assert_eq!(patch["checksums"][1]["checksumValue"], report["patches"][0]["sha256"]);
    let names: Vec<_> =
        sbom["packages"].as_array().unwrap().iter().map(|package| package["name"].clone()).collect();
    assert!(names.contains(&"gcc".into()) && names.contains(&"GNU ld".into()), "{names:?}");

    let provenance = json(&out.join("provenance.intoto.json"));
    let mut subjects: Vec<_> =
        provenance["subject"].as_array().unwrap().iter().map(|subject| subject["name"].clone()).collect();
    subjects.sort_by_key(ToString::to_string);
    assert_eq!(subjects, packages);
    let definition = &provenance["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"], report["request"]);
    assert_eq!(definition["resolvedDependencies"][0]["digest"]["sha256"], report["source"]["sha256"]);
    for document in report["evidence"].as_array().unwrap() {
        assert!(Path::new(document["path"].as_str().unwrap()).is_file(), "{document}");
    }
}

#[test]
fn sha256sum_accepts_the_sums() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &[]) else { return };
    let checked = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&out)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}{}", stdout(&checked), stderr(&checked));
    assert_eq!(stdout(&checked).lines().count(), 5);
}

#[test]
fn the_same_plan_in_another_directory_writes_the_same_documents_and_signatures() {
    let workspace = Workspace::new();
    let key = workspace.write("key.asc", armoured(&secret_key(KeyType::Ed25519Legacy, true, None)));
    let key = key.to_str().unwrap();
    let Some(one) = workspace.packages("one", &["--openpgp-key", key, "--jobs", "1"]) else { return };
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let two =
        workspace.packages("two", &["--openpgp-key", key, "--jobs", "2", "--store", "another"]).unwrap();
    assert_eq!(files(&one), files(&two));
    for name in files(&one).iter().filter(|name| !name.starts_with("SHA256SUMS") && *name != "report.json") {
        assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(two.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn one_changed_byte_in_any_file_fails() {
    let workspace = Workspace::new();
    let secret = secret_key(KeyType::Ed25519Legacy, true, None);
    let key = workspace.write("key.asc", armoured(&secret));
    let Some(out) = workspace.packages("dist", &["--openpgp-key", key.to_str().unwrap()]) else { return };
    let keyring = Certificates::parse(certificate(&secret).as_bytes());
    let verification = check(&out, Some(&keyring));
    assert!(verification.passed(), "{verification}");
    let names = files(&out);
    assert_eq!(names.len(), 9, "{names:?}");
    for name in names {
        let path = out.join(&name);
        let whole = fs::read(&path).unwrap();
        // Only the signature needs the keyring and has no checksum, so every byte of it is tried.
        let is_signature = name == "SHA256SUMS.asc";
        let step = if is_signature { 1 } else { whole.len() / 24 + 1 };
        let keyring = is_signature.then_some(&keyring);
        for position in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[position] ^= if position % 2 == 0 { 0x01 } else { 0x20 };
            fs::write(&path, changed).unwrap();
            let verification = check(&out, keyring);
            assert!(!verification.passed(), "{name}: byte {position} of {}", whole.len());
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(!check(&out, keyring).passed(), "{name}: cut");
        fs::remove_file(&path).unwrap();
        assert!(!check(&out, keyring).passed(), "{name}: missing");
        fs::write(&path, whole).unwrap();
    }
    assert!(check(&out, Some(&keyring)).passed());
}

#[test]
fn a_missing_and_an_extra_package_are_named_and_the_exit_status_is_1() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &[]) else { return };
    let good = workspace.run(&["verify", "dist"]);
    assert_eq!(good.status.code(), Some(0), "{}{}", stdout(&good), stderr(&good));
    assert!(stdout(&good).contains("5 of 5 files") && stdout(&good).ends_with("verdict: pass\n"));
    assert!(stdout(&good).contains("signatures  none"), "{}", stdout(&good));

    fs::write(out.join("other_1_amd64.deb"), "x").unwrap();
    let deb = files(&out).into_iter().find(|name| name.starts_with("linux-image")).unwrap();
    fs::rename(out.join(&deb), workspace.path("away")).unwrap();
    let bad = workspace.run(&["verify", "dist"]);
    assert_eq!(bad.status.code(), Some(1), "{}", stderr(&bad));
    let text = stdout(&bad);
    assert!(text.contains("SHA256SUMS does not list the package other_1_amd64.deb"), "{text}");
    assert!(text.contains(&format!("{deb} is missing")) && text.ends_with("verdict: FAIL\n"), "{text}");
}

#[test]
fn documents_that_match_their_checksums_but_not_each_other_are_reported() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &[]) else { return };
    let other = Value::from("0".repeat(64));
    let good: Vec<_> = DOCUMENTS.iter().map(|name| fs::read(out.join(name)).unwrap()).collect();
    type Change = fn(&mut Value) -> &mut Value;
    let changes: [(&str, Change, &str); 9] = [
        ("sbom.spdx.json", |json| &mut json["packages"][0]["checksums"][0]["checksumValue"], "the packages"),
        ("sbom.spdx.json", |json| &mut json["files"][1]["checksums"][1]["checksumValue"], "the patches"),
        (
            "sbom.spdx.json",
            |json| &mut json["files"][0]["checksums"][1]["checksumValue"],
            "the configuration",
        ),
        ("provenance.intoto.json", |json| &mut json["subject"][1]["digest"]["sha256"], "the packages"),
        (
            "provenance.intoto.json",
            |json| &mut json["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["sha256"],
            "the source",
        ),
        (
            "provenance.intoto.json",
            |json| &mut json["predicate"]["buildDefinition"]["externalParameters"]["series"],
            "the request",
        ),
        ("report.json", |json| &mut json["artifacts"][0]["sha256"], "the packages"),
        ("report.json", |json| &mut json["source"]["sha256"], "the source"),
        ("report.json", |json| &mut json["kernel"]["image_sha256"], "the kernel's image"),
    ];
    for (name, place, topic) in changes {
        forge(&out, name, |value| *place(value) = other.clone());
        let verification = check(&out, None);
        let disagrees = |problem: &String| problem.contains("disagree on") && problem.contains(topic);
        assert!(verification.problems.iter().any(disagrees), "{name}, {topic}: {verification}");
        for (name, text) in DOCUMENTS.iter().zip(&good) {
            fs::write(out.join(name), text).unwrap();
        }
    }
    forge(&out, "report.json", |json| json["error"] = serde_json::json!({"message": "x"}));
    assert!(check(&out, None).problems[0].contains("the report of a failed run"));
}

#[test]
fn signatures_are_checked_only_with_a_keyring_and_the_output_says_so_otherwise() {
    let workspace = Workspace::new();
    let (secret, stranger) =
        (secret_key(KeyType::Ed25519Legacy, true, None), secret_key(KeyType::Ed25519Legacy, true, None));
    let key = workspace.write("key.asc", armoured(&secret));
    let Some(out) = workspace.packages("dist", &["--openpgp-key", key.to_str().unwrap()]) else { return };
    workspace.write("keyring.asc", certificate(&secret));
    workspace.write("stranger.asc", certificate(&stranger));
    workspace.write("empty.asc", "nothing");

    let text = stdout(&workspace.run(&["verify", "dist"]));
    assert!(text.contains("NOT CHECKED without --keyring: SHA256SUMS") && text.ends_with("pass\n"), "{text}");
    let checked = workspace.run(&["verify", "dist", "--keyring", "keyring.asc"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    assert!(stdout(&checked).contains("by Packager <p@example.org> ("), "{}", stdout(&checked));
    for args in
        [["--keyring", "stranger.asc", "verify", "dist"], ["verify", "dist", "--keyring", "stranger.asc"]]
    {
        let refused = workspace.run(&args);
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(stdout(&refused).contains("no trusted key made this signature"), "{}", stdout(&refused));
    }
    let empty = workspace.run(&["verify", "dist", "--keyring", "empty.asc"]);
    assert_eq!(empty.status.code(), Some(2), "{}", stderr(&empty));
    assert_eq!(workspace.run(&["verify", "nowhere"]).status.code(), Some(2));

    fs::remove_file(out.join("SHA256SUMS.asc")).unwrap();
    let unsigned = workspace.run(&["verify", "dist", "--keyring", "keyring.asc"]);
    assert_eq!(unsigned.status.code(), Some(1));
    assert!(stdout(&unsigned).contains("SHA256SUMS is not signed"), "{}", stdout(&unsigned));
}

#[test]
fn a_run_without_a_key_removes_the_signatures_of_the_previous_run() {
    let workspace = Workspace::new();
    let key = workspace.write("key.asc", armoured(&secret_key(KeyType::Ed25519Legacy, true, None)));
    let Some(out) = workspace.packages("dist", &["--openpgp-key", key.to_str().unwrap()]) else { return };
    assert!(out.join("SHA256SUMS.asc").exists());
    workspace.packages("dist", &[]).unwrap();
    assert!(!files(&out).iter().any(|name| name.ends_with(".asc")), "{:?}", files(&out));
    assert!(check(&out, None).passed());
}

#[test]
fn a_key_that_cannot_sign_is_refused_before_anything_is_written() {
    let workspace = Workspace::new();
    let secret = secret_key(KeyType::Ed25519Legacy, false, None);
    let mut locked = secret_key(KeyType::Ed25519Legacy, true, None);
    locked.primary_key.set_password(rand::thread_rng(), &"secret".into()).unwrap();
    workspace.write("no-signer.asc", armoured(&secret));
    workspace.write("public.asc", certificate(&secret));
    workspace.write("locked.asc", armoured(&locked));
    workspace.write("v6.asc", armoured(&secret_key(KeyType::Ed25519, true, None)));
    workspace.write("wrong", "other\n");
    workspace.write("right", "secret\n");
    let run = |key: &str, passphrase: &str| {
        let mut tool = workspace.tool();
        tool.env("KPATCH_BUILD_SIGNING_PASSPHRASE_FILE", passphrase);
        tool.args(["--release", "6.1.5", "--series", "none", "--offline", "--openpgp-key", key])
            .output()
            .unwrap()
    };
    for (key, passphrase, reason) in [
        ("no-signer.asc", "", "the key may not sign data"),
        ("public.asc", "", "contains no OpenPGP secret key"),
        ("nowhere.asc", "", "failed to open file `nowhere.asc`"),
        ("locked.asc", "", "protected by a passphrase"),
        ("locked.asc", "wrong", "does not unlock"),
        ("locked.asc", "nowhere", "failed to open file `nowhere`"),
    ] {
        let output = run(key, passphrase);
        assert_eq!(output.status.code(), Some(2), "{key}: {}", stderr(&output));
        assert!(stderr(&output).contains(reason), "{key}: {}", stderr(&output));
        assert!(!workspace.path("dist").exists(), "{key}");
    }
    // The key is accepted; the release is not available.
    assert_eq!(run("locked.asc", "right").status.code(), Some(3));
}

/// The key may need a passphrase, which a run without packages must not require.
#[test]
fn only_a_run_that_writes_packages_reads_the_openpgp_key() {
    let workspace = Workspace::new();
    workspace.write("signed.toml", "openpgp-key = \"nowhere.asc\"\n");
    for (goal, code) in [("build", 3), ("package", 2)] {
        let mut tool = workspace.tool();
        tool.args([goal, "--config", "signed.toml", "--release", "6.1.5", "--series", "none", "--offline"]);
        let output = tool.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{goal}: {}", stderr(&output));
    }
}

#[test]
fn the_openpgp_key_is_read_again_after_the_build() {
    let workspace = Workspace::new();
    let key = workspace.write("key.asc", armoured(&secret_key(KeyType::Ed25519Legacy, true, None)));
    // A build without a sandbox that removes the key: a key in memory would still sign.
    let remove = format!("modules:\n\t@rm {}", key.display());
    workspace.change_tree("Makefile", "modules:\n\t@true", &remove);
    let tree = format!("dir:{}", workspace.tree.path().display());
    let mut tool = workspace.tool();
    tool.args(["package", "--release", "6.1.5", "--source", &tree, "--series", "none", "--no-sandbox"]);
    tool.args(["--kconfig", "./mine.config", "--packages", "image", "--openpgp-key"]).arg(&key);
    let output = tool.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot read the OpenPGP key"), "{}", stderr(&output));
    assert!(!key.exists());
}
