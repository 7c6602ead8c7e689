//! A damaged store: the next run notices the damage, and writes the packages of an intact store.

use std::fs;
use std::path::{Path, PathBuf};

use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::{Bucket, Store};

use crate::support::fixtures::packages::{Workspace, files};
use crate::support::need::have_root;
use crate::support::output::stderr;

fn packages(out: &Path) -> Vec<(String, Vec<u8>)> {
    let names = files(out).into_iter().filter(|name| name.ends_with(".deb") || name.ends_with(".rpm"));
    names.map(|name| (name.clone(), fs::read(out.join(name)).unwrap())).collect()
}

/// Every regular file below `dir`.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
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
        let mut content = fs::read(&path).unwrap();
        match content.first_mut() {
            Some(byte) => *byte ^= 1,
            None => content.push(0),
        }
        fs::write(&path, content).unwrap();
        let (notes, packages) = again(&workspace, &["--series", "./own"]);
        assert!(notes.contains("is damaged and made again"), "{path:?}: {notes}");
        assert!(packages == expected, "{path:?}: other packages");
    }
}

/// Runs again on the same store; returns the messages and the packages.
fn again(workspace: &Workspace, more: &[&str]) -> (String, Vec<(String, Vec<u8>)>) {
    let tree = format!("dir:{}", workspace.tree.path().display());
    let mut tool = workspace.tool();
    tool.args(["package", "--release", "6.1.5", "--source", &tree, "--kconfig", "./mine.config"]);
    tool.args(["--packages", "image", "--store", "store", "--out", "again"]).args(more);
    let output = tool.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (stderr(&output), packages(&workspace.path("again")))
}

fn find(dir: &Path, name: &str) -> PathBuf {
    let found = below(dir).into_iter().find(|path| path.ends_with(name));
    found.unwrap_or_else(|| panic!("{} lacks {name}", dir.display()))
}

#[test]
fn a_damaged_source_tree_is_unpacked_again() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let expected = packages(&out);
    let sources = workspace.path("store/sources");
    for (name, content, reason) in [
        ("meta.json", "", "meta.json"),
        ("state.json", "", "EOF"),
        ("linux/Kconfig", "", "Kconfig differs"),
        ("pristine/lost", "NOTHINGS\n", "the original of lost is lost"),
    ] {
        // The kernel is built again, so the tree is used.
        fs::remove_dir_all(workspace.path("store/results")).unwrap();
        fs::write(find(&sources, name), content).unwrap();
        let (notes, packages) = again(&workspace, &["--series", "./own"]);
        assert!(notes.contains("is damaged and unpacked again") && notes.contains(reason), "{name}: {notes}");
        assert!(packages == expected, "{name}: other packages");
    }
}

#[test]
fn a_byte_that_changed_without_a_new_time_is_found_before_a_new_build_directory_is_used() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let expected = packages(&out);
    for (remove, flag, noticed) in [
        ("results", "--verify-store=false", false),
        ("results", "--verify-store", true),
        ("builds", "--verify-store=false", true),
    ] {
        let path = find(&workspace.path("store/sources"), "linux/Kconfig");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let content = fs::read_to_string(&path).unwrap().replace("modules", "modulez");
        fs::write(&path, &content).unwrap();
        fs::File::open(&path).unwrap().set_modified(modified).unwrap();
        fs::remove_dir_all(workspace.path("store/results")).unwrap();
        if remove == "builds" {
            fs::remove_dir_all(workspace.path("store/builds")).unwrap();
        }
        let (notes, packages) = again(&workspace, &["--series", "./own", flag]);
        assert_eq!(notes.contains("Kconfig differs"), noticed, "{remove} {flag}: {notes}");
        assert!(packages == expected, "{remove} {flag}: other packages");
    }
}

/// Changes a byte of the store's source tree; length and time stay.
fn rot(workspace: &Workspace, name: &str) {
    let path = find(&workspace.path("store/sources"), name);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let content = fs::read_to_string(&path).unwrap().replace("modules", "modulez");
    assert!(content.contains("modulez"), "{content}");
    fs::write(&path, &content).unwrap();
    fs::File::open(&path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn files_of_the_tree_that_become_a_package_are_checked() {
    let workspace = Workspace::new();
    let include = workspace.tree.path().join("include/linux");
    fs::create_dir_all(&include).unwrap();
    fs::create_dir_all(workspace.tree.path().join("arch/x86")).unwrap();
    fs::write(workspace.tree.path().join("arch/x86/Makefile"), "").unwrap();
    fs::write(include.join("a.h"), "/* of modules */\n").unwrap();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let image = packages(&out);
    rot(&workspace, "linux/include/linux/a.h");
    let (notes, both) = again(&workspace, &["--series", "./own", "--packages", "image,headers"]);
    assert!(notes.contains("is damaged and unpacked again: include/linux/a.h differs"), "{notes}");
    assert!(image.iter().all(|package| both.contains(package)) && both.len() > image.len());
}

#[test]
fn a_damaged_tree_is_found_too_if_the_result_turns_out_to_be_damaged() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let expected = packages(&out);
    rot(&workspace, "linux/Kconfig");
    fs::write(find(&workspace.path("store/results"), "System.map"), "rotten").unwrap();
    let tree = format!("dir:{}", workspace.tree.path().display());
    let mut tool = workspace.tool();
    tool.args(["package", "--store", "store", "--release", "6.1.5", "--source", &tree, "--series", "./own"]);
    let output = tool.args(["--kconfig", "./mine.config", "--packages", "image"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("is damaged: Kconfig differs"), "{}", stderr(&output));
    let (notes, packages) = again(&workspace, &["--series", "./own"]);
    assert!(packages == expected, "{notes}");
}

#[test]
fn a_file_that_the_configuration_names_is_part_of_the_kernel() {
    let workspace = Workspace::new();
    workspace.change_tree(
        "Kconfig",
        "config LOCALVERSION",
        "config INITRAMFS_SOURCE\n\tstring \"s\"\nconfig LOCALVERSION",
    );
    let init = workspace.write("init", "one");
    workspace
        .write("mine.config", format!("CONFIG_MODULES=y\nCONFIG_INITRAMFS_SOURCE=\"{}\"\n", init.display()));
    let step = format!("modules: bzImage\n\t@cat {} >> $(O)/arch/x86/boot/bzImage", init.display());
    workspace.change_tree("Makefile", "modules:\n\t@true", &step);
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let first = packages(&out);
    let (notes, packages) = again(&workspace, &["--series", "./own"]);
    assert!(packages == first && notes.contains("build  cached"), "{notes}");
    fs::write(&init, "two").unwrap();
    let (notes, packages) = again(&workspace, &["--series", "./own"]);
    assert!(packages != first && !notes.contains("build  cached"), "{notes}");
}

#[test]
fn a_changed_object_is_built_again_with_verify_store() {
    let workspace = Workspace::new();
    let Some(out) = workspace.packages("dist", &["--store", "store"]) else { return };
    let expected = packages(&out);
    let object = find(&workspace.path("store/builds"), "one.o");
    fs::write(&object, "whale\n").unwrap();
    fs::remove_dir_all(workspace.path("store/results")).unwrap();
    let (notes, packages) = again(&workspace, &["--series", "./own", "--verify-store"]);
    assert!(notes.contains("is damaged and built again: one.o differs"), "{notes}");
    assert!(packages == expected);
    assert_eq!(fs::read_to_string(object).unwrap(), "whole\n");
}

#[test]
fn a_copy_that_a_killed_run_left_is_removed_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let partial = dir.path().join("partial");
    fs::write(partial.join(".copy-left"), "x").unwrap();
    let used = fs::File::create(partial.join(".copy-used")).unwrap();
    used.lock().unwrap();
    Store::open(dir.path()).unwrap();
    assert!(!partial.join(".copy-left").exists() && partial.join(".copy-used").exists());
}

#[test]
fn a_lock_that_is_a_link_to_another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let target = dir.path().join("precious");
    fs::write(&target, "content").unwrap();
    std::os::unix::fs::symlink(&target, dir.path().join("store/locks/results-k")).unwrap();
    assert!(store.lookup(Bucket::Results, "k", &Stop::default(), |_| {}).is_err());
    assert_eq!(fs::read_to_string(target).unwrap(), "content");
}

#[test]
fn a_store_of_another_user_is_refused() {
    if !have_root(&[]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("belongs to another user (uid 65534)"), "{error}");
}
