//! Packages of a kernel of a few lines, made by the tool itself, and keys to sign them with.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "../common/fake.rs"]
mod fake;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pgp::composed::{ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder};

/// A folder with a kernel's tree, and what the runs of a test leave.
pub struct Made {
    pub dir: tempfile::TempDir,
    pub tree: tempfile::TempDir,
}

/// A change to the tree, so that there is something to be patched.
const PATCH: &str = "--- a/lost\n+++ b/lost\n@@ -1 +1,2 @@\n NOTHING\n+NOTHING AT ALL\n";

impl Made {
    pub fn new() -> Made {
        let (dir, tree) = (tempfile::tempdir().unwrap(), fake::tree());
        let made = Made { dir, tree };
        made.write("mine.config", "CONFIG_MODULES=y\n");
        std::fs::create_dir(made.path("own")).unwrap();
        made.write("own/series", "one.patch\n");
        made.write("own/one.patch", PATCH);
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Changes a file of the kernel's tree.
    pub fn change_tree(&self, name: &str, from: &str, to: &str) {
        let path = self.tree.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn tool(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpatch-build"));
        command.current_dir(self.dir.path()).env_remove("SOURCE_DATE_EPOCH");
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// Packages of both formats in `out`; `None` where this machine cannot build a kernel at all.
    pub fn packages(&self, out: &str, more: &[&str]) -> Option<PathBuf> {
        let tree = format!("dir:{}", self.tree.path().display());
        let output = self
            .tool()
            .args(["package", "--release", "6.1.5", "--source", &tree, "--series", "./own"])
            .args(["--kconfig", "./mine.config", "--packages", "image", "--no-boot", "--out", out])
            .args(more)
            .output()
            .unwrap();
        if output.status.code() == Some(69) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{}", stderr(&output));
            eprintln!("SKIPPED: {}", stderr(&output));
            return None;
        }
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        Some(self.path(out))
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.tool().args(args).output().unwrap()
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Names of the files directly in a folder, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A secret key that certifies; `signs` says whether it signs data itself, `subkey` whether a subkey does.
pub fn secret_key(kind: KeyType, signs: bool, subkey: Option<KeyType>) -> SignedSecretKey {
    let mut params = SecretKeyParamsBuilder::default();
    params
        .key_type(kind)
        .can_certify(true)
        .can_sign(signs)
        .primary_user_id("Packager <p@example.org>".into());
    if let Some(kind) = subkey {
        params.subkey(SubkeyParamsBuilder::default().key_type(kind).can_sign(true).build().unwrap());
    }
    params.build().unwrap().generate(rand::thread_rng()).unwrap()
}

pub fn armoured(key: &SignedSecretKey) -> String {
    key.to_armored_string(ArmorOptions::default()).unwrap()
}

pub fn certificate(key: &SignedSecretKey) -> String {
    key.to_public_key().to_armored_string(ArmorOptions::default()).unwrap()
}
