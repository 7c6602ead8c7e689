//! A damaged store: the next run notices the damage, and writes the packages of an intact store.

use std::path::{Path, PathBuf};

use crate::support::fixtures::packages::{Workspace, files};
use crate::support::output::stderr;

fn packages(out: &Path) -> Vec<(String, Vec<u8>)> {
    let names = files(out).into_iter().filter(|name| name.ends_with(".deb") || name.ends_with(".rpm"));
    names.map(|name| (name.clone(), std::fs::read(out.join(name)).unwrap())).collect()
}

/// Every regular file below `dir`.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(below(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found.sort();
    found
}

#[test]
fn a_flipped_byte_in_any_result_is_noticed_and_the_packages_stay_the_same() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let (expected, results) = (packages(&out), below(&workspace.path("store/results")));
    assert!(results.len() >= 3, "{results:?}");
    for path in results {
        let mut content = std::fs::read(&path).unwrap();
        match content.first_mut() {
            Some(byte) => *byte ^= 1,
            None => content.push(0),
        }
        std::fs::write(&path, content).unwrap();
        let tree = format!("dir:{}", workspace.tree.path().display());
        let args =
            ["--release", "6.1.5", "--source", &tree, "--series", "./own", "--kconfig", "./mine.config"];
        let output = workspace
            .tool()
            .arg("package")
            .args(args)
            .args(["--packages", "image", "--store", "store", "--out", "again"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{path:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("is damaged and made again"), "{path:?}: {}", stderr(&output));
        assert!(packages(&workspace.path("again")) == expected, "{path:?}: other packages");
    }
}

#[test]
fn a_source_tree_with_an_unreadable_record_is_unpacked_again() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let expected = packages(&out);
    let sources = below(&workspace.path("store/sources"));
    let record = sources.iter().find(|path| path.ends_with("meta.json")).unwrap();
    std::fs::write(record, "").unwrap();
    let again = workspace.packages("again", &["--store", "store"]).unwrap();
    assert!(packages(&again) == expected);
}
