//! The documents and signatures next to the packages, checked by independent programs: SPDX's validator, in-toto's
//! definitions, gpg, gpgv and sqv.
//!
//! `KPATCH_BUILD_TEST_PYTHON` names a Python that has `spdx-tools` and `in-toto-attestation`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kpatch_build::base::openpgp::sign::SigningKey;
use pgp::composed::KeyType;

use crate::support::fixtures::packages::{Workspace, armoured, certificate, files, secret_key};
use crate::support::need::{have, present};
use crate::support::output::{must, printed, stderr, stdout};

fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}: {}", stdout(&output));
    stdout(&output) + &stderr(&output)
}

/// Returns the Python with the validators; a relative path starts at the project's directory.
fn validators() -> Option<PathBuf> {
    let python = std::env::var_os("KPATCH_BUILD_TEST_PYTHON");
    present("KPATCH_BUILD_TEST_PYTHON, a Python with the validators", python.is_some())
        .then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(python.unwrap()))
}

#[test]
fn spdx_accepts_the_bill_of_materials() {
    let Some(python) = validators() else { return };
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &[]) else { return };
    let sbom = out.join("sbom.spdx.json");
    let validate = |file: &Path| {
        let mut command = Command::new(python.with_file_name("pyspdxtools"));
        command.arg("--infile").arg(file);
        command
    };
    let message = must(&mut validate(&sbom));
    assert!(!message.contains("not valid"), "{message}");
    // The validator detects faults.
    let text = fs::read_to_string(&sbom).unwrap();
    for (good, bad) in [
        ("\"SHA1\"", "\"SHA0\""),
        ("SPDXRef-Source\"", "SPDXRef_Source\""),
        ("GPL-2.0-only WITH", "GPL-2.0-only WITHOUT"),
    ] {
        assert!(text.contains(good), "{text}");
        fails(&mut validate(&workspace.write("bad.spdx.json", text.replacen(good, bad, 1))));
    }
}

/// Parses statement and provenance with the definitions that in-toto and SLSA publish, which reject unknown fields.
const VALIDATE: &str = r#"
import json, sys
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance

document = json.load(open(sys.argv[1]))
Statement.copy_from_pb(ParseDict(document, statement_pb2.Statement())).validate()
assert document["predicateType"] == "https://slsa.dev/provenance/v1"
provenance = ParseDict(document["predicate"], Provenance())
definition, run = provenance.build_definition, provenance.run_details
assert definition.build_type and len(definition.external_parameters) and run.builder.id
for descriptor in list(definition.resolved_dependencies) + list(run.byproducts):
    ResourceDescriptor.copy_from_pb(descriptor).validate()
print("valid:", len(document["subject"]), len(definition.resolved_dependencies))
"#;

#[test]
fn in_toto_and_slsa_accept_the_provenance() {
    let Some(python) = validators() else { return };
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &[]) else { return };
    let provenance = out.join("provenance.intoto.json");
    let validate = |file: &Path| {
        let mut command = Command::new(&python);
        command.args(["-c", VALIDATE]).arg(file);
        command
    };
    let message = printed(&mut validate(&provenance));
    assert!(message.starts_with("valid: 2 "), "{message}");
    let text = fs::read_to_string(&provenance).unwrap();
    for (good, bad) in [("\"buildType\"", "\"buildTyp\""), ("statement", "x"), ("\"digest\"", "\"digests\"")]
    {
        let bad = text.replacen(if good == "statement" { "Statement/v1" } else { good }, bad, 1);
        assert_ne!(bad, text);
        fails(&mut validate(&workspace.write("bad.json", bad)));
    }
}

/// Checks a detached signature with the programs that distributions use.
fn check_with_all(keyring: &Path, signature: &Path, data: &Path) {
    let gpgv = |data: &Path| {
        let mut command = Command::new("gpgv");
        // gpgv reads binary keyrings only.
        command.arg("--keyring").arg(keyring.with_extension("gpg")).arg(signature).arg(data);
        command
    };
    let sqv = |data: &Path| {
        let mut command = Command::new("sqv");
        command.arg("--keyring").arg(keyring).arg(signature).arg(data);
        command
    };
    assert!(must(&mut gpgv(data)).contains("Good signature"));
    must(&mut sqv(data));
    let other = keyring.with_file_name("other-data");
    fs::write(&other, "something else").unwrap();
    assert!(fails(&mut gpgv(&other)).contains("BAD signature"));
    fails(&mut sqv(&other));
}

fn write_keyring(workspace: &Workspace, armoured: &str) -> PathBuf {
    let keyring = workspace.write("keyring.asc", armoured);
    let binary = keyring.with_extension("gpg");
    must(Command::new("gpg").args(["--batch", "--yes", "--dearmor", "--output"]).arg(binary).arg(&keyring));
    keyring
}

#[test]
fn gpgv_and_sqv_accept_the_signatures_of_every_kind_of_key() {
    if !have(&["gpg", "gpgv", "sqv"]) {
        return;
    }
    let workspace = Workspace::new();
    let data = workspace.write("data", "what is signed\n");
    for (kind, signs, subkey) in [
        (KeyType::Ed25519Legacy, true, None),
        (KeyType::Ed25519Legacy, false, Some(KeyType::Ed25519Legacy)),
        (KeyType::Rsa(2048), true, None),
        (KeyType::ECDSA(pgp::crypto::ecc_curve::ECCCurve::P384), true, None),
    ] {
        let secret = secret_key(kind, signs, subkey);
        let keyring = write_keyring(&workspace, &certificate(&secret));
        let key = SigningKey::load(&workspace.write("key.asc", armoured(&secret))).unwrap();
        // A time before the key's creation: the signature must not be older than the key.
        let signature = key.detached(b"what is signed\n".as_slice(), 1_000_000_000).unwrap();
        assert_eq!(signature, key.detached(b"what is signed\n".as_slice(), 0).unwrap());
        check_with_all(&keyring, &workspace.write("data.asc", signature), &data);

        let document = key.cleartext("Origin: x \n- dash\n\nlast\n", 0).unwrap();
        assert_eq!(document, key.cleartext("Origin: x\n- dash\n\nlast", 0).unwrap());
        let document = workspace.write("InRelease", document);
        let mut gpgv = Command::new("gpgv");
        gpgv.args(["--output", "-", "--keyring"]).arg(keyring.with_extension("gpg")).arg(&document);
        assert!(printed(&mut gpgv).starts_with("Origin: x\n- dash\n\nlast"));
    }
}

/// Runs gpg with a separate home directory, and ends the agent that gpg starts.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.0.path()).args(["--batch", "--yes", "--pinentry-mode", "loopback"]);
        command
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.0.path()).args(["--kill", "all"]).status();
    }
}

#[test]
fn a_locked_key_from_gpg_signs_the_packages_and_gpg_accepts_every_signature() {
    if !have(&["gpg", "gpgv", "gpgconf", "sqv"]) {
        return;
    }
    let workspace = Workspace::new();
    let gpg = Gpg(tempfile::tempdir().unwrap());
    let passphrase = ["--passphrase", "correct horse"];
    let new = ["--quick-generate-key", "Packager <p@example.org>", "ed25519", "cert", "never"];
    must(gpg.command().args(passphrase).args(new));
    let listed = printed(gpg.command().args(["--list-keys", "--with-colons"]));
    let fingerprint =
        listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':');
    must(gpg.command().args(passphrase).args(["--quick-add-key", fingerprint, "ed25519", "sign", "1y"]));
    // Without the primary key, which packagers keep offline.
    let export = ["--armor", "--export-secret-subkeys", fingerprint];
    let key = workspace.write("key.asc", printed(gpg.command().args(passphrase).args(export)));
    let keyring =
        write_keyring(&workspace, &printed(gpg.command().args(["--armor", "--export", fingerprint])));
    workspace.write("passphrase", "correct horse\n");

    let out = {
        let tree = format!("dir:{}", workspace.tree.path().display());
        let mut tool = workspace.tool();
        tool.env("KPATCH_BUILD_SIGNING_PASSPHRASE_FILE", workspace.path("passphrase"));
        tool.args(["package", "--release", "6.1.5", "--source", &tree, "--series", "none"]);
        tool.args(["--kconfig", "./mine.config", "--packages", "image", "--openpgp-key"]).arg(&key);
        must(&mut tool);
        workspace.path("dist")
    };
    let signed: Vec<_> =
        files(&out).into_iter().filter_map(|name| name.strip_suffix(".asc").map(str::to_owned)).collect();
    assert_eq!(signed, ["SHA256SUMS", "provenance.intoto.json", "sbom.spdx.json"]);
    for name in signed {
        let (signature, data) = (out.join(format!("{name}.asc")), out.join(&name));
        check_with_all(&keyring, &signature, &data);
        must(gpg.command().arg("--verify").arg(&signature).arg(&data));
    }
    let accepts = || {
        let verified = workspace.run(&["verify", "dist", "--keyring", "keyring.asc"]);
        assert_eq!(verified.status.code(), Some(0), "{}{}", stdout(&verified), stderr(&verified));
    };
    accepts();
    // Users who do not give the tool their key can sign the checksums with gpg.
    let by_gpg = ["--comment", "by hand", "--armor", "--detach-sign"];
    must(gpg.command().args(passphrase).args(by_gpg).arg(out.join("SHA256SUMS")));
    accepts();
}
