//! The patch stage as the pipeline calls it.

use std::fs;
use std::path::Path;

use kpatch_build::base::cache_key::Key;
use kpatch_build::base::context::Context;
use kpatch_build::base::error::Explain;
use kpatch_build::base::events::Events;
use kpatch_build::base::options::Lang;
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::{Bucket, Store};
use kpatch_build::kernel::series::{self, Series};
use kpatch_build::kernel::toolchain::{Compiler, Toolchain};
use kpatch_build::stages::patch::{Error, PatchStatus, PatchedTree, patch};
use kpatch_build::stages::unpack::{SourceTree, TreeCheck};

use crate::support::events::Seen;

struct Fixture {
    dir: tempfile::TempDir,
    cx: Context,
    seen: Seen,
}

impl Fixture {
    /// Returns a store whose source tree of 6.1.187 contains one file, `f`.
    fn new(content: &str) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let seen = Seen::default();
        let cx = Context {
            store: Store::open(&dir.path().join("store")).unwrap(),
            events: Events::new(seen.clone()),
            stop: Stop::default(),
            offline: true,
            logs: dir.path().join("logs"),
        };
        let linux = cx.store.path(Bucket::Sources, "6.1.187").join("linux");
        fs::create_dir_all(&linux).unwrap();
        fs::write(linux.join("f"), content).unwrap();
        Fixture { dir, cx, seen }
    }

    fn series(&self, name: &str, patches: &[&str]) -> Series {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        let mut list = String::new();
        for (index, patch) in patches.iter().enumerate() {
            fs::write(dir.join(format!("{index}.patch")), patch).unwrap();
            list += &format!("{index}.patch\n");
        }
        fs::write(dir.join("series"), list).unwrap();
        load(dir.to_str().unwrap())
    }

    fn tree(&self) -> SourceTree {
        let entry =
            self.cx.lease(kpatch_build::base::events::Stage::Patch, Bucket::Sources, "6.1.187").unwrap();
        let release = "6.1.187".parse().unwrap();
        SourceTree {
            entry,
            release,
            key: Key::of("unpack", &"tree"),
            released_at: 0,
            cached: false,
            checked: TreeCheck::Contents,
        }
    }

    fn put(&self, series: &Series) -> Result<PatchedTree, Error> {
        patch(&self.cx, series, self.tree())
    }

    fn file(&self) -> String {
        fs::read_to_string(self.tree().path().join("f")).unwrap()
    }

    fn entry_names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.tree().entry.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn load(name: &str) -> Series {
    let toolchain = Toolchain {
        compiler: Compiler::Gcc,
        cc: "gcc".into(),
        cc_version: "gcc 12.2.0".into(),
        cc_text: String::new(),
        ld_version: "GNU ld 2.40".into(),
        rust: None,
        pahole_version: None,
    };
    series::load(name, &"6.1.187".parse().unwrap(), Lang::C, &toolchain).unwrap()
}

const TWO: &str = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";
const THREE: &str = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n two\n-three\n+THREE\n";
const MORE: &str = "--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n one\n+and\n TWO\n three\n";
const FILE: &str = "one\ntwo\nthree\n";

#[test]
fn series_replace_each_other_in_the_store_and_none_restores_the_release() {
    let fixture = Fixture::new(FILE);
    let first = fixture.put(&fixture.series("first", &[TWO, MORE])).unwrap();
    assert_eq!(first.patches.len(), 2);
    let first_key = first.key.clone();
    drop(first);
    assert_eq!(fixture.file(), "one\nand\nTWO\nthree\n");

    let second = fixture.put(&fixture.series("second", &[THREE])).unwrap();
    assert_ne!(second.key, first_key);
    drop(second);
    assert_eq!(fixture.file(), "one\ntwo\nTHREE\n");

    drop(fixture.put(&load("none")).unwrap());
    assert_eq!(fixture.file(), FILE);
    assert_eq!(fixture.seen.notes(), [""; 0]);
}

#[test]
fn the_key_covers_the_patches_and_not_their_names() {
    let fixture = Fixture::new(FILE);
    let key = |name: &str, patches: &[&str]| fixture.put(&fixture.series(name, patches)).unwrap().key;
    assert_eq!(key("a", &[TWO]), key("b", &[TWO]));
    assert_ne!(key("a", &[TWO]), key("a", &[TWO, MORE]));
}

#[test]
fn a_series_is_applied_completely_or_not_at_all() {
    let fixture = Fixture::new(FILE);
    let error = fixture.put(&fixture.series("bad", &[TWO, THREE])).unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    assert!(
        error.to_string().contains("1.patch does not apply: hunk 1 of 1 does not fit f at line 2"),
        "{error}"
    );
    let facts = error.facts().join("\n");
    assert!(facts.contains("expected: \"two\"") && facts.contains("found: \"TWO\""), "{facts}");
    assert_eq!(fixture.file(), FILE);
    assert_eq!(fixture.entry_names(), ["linux"]);
}

#[test]
fn a_conflict_keeps_the_previous_series() {
    let fixture = Fixture::new(FILE);
    drop(fixture.put(&fixture.series("good", &[TWO])).unwrap());
    fixture.put(&fixture.series("bad", &[MORE])).unwrap_err();
    assert_eq!(fixture.file(), "one\nTWO\nthree\n");
}

#[test]
fn a_patch_that_leaves_the_tree_changes_nothing() {
    let fixture = Fixture::new(FILE);
    let outside = TWO.replace("/f\n", "/../../f\n");
    let error = fixture.put(&fixture.series("bad", &[TWO, &outside])).unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    assert!(error.to_string().contains("touches a path outside the tree at line 1: a/../../f"), "{error}");
    assert_eq!(fixture.entry_names(), ["linux"]);
}

#[test]
fn offsets_and_patches_that_are_already_upstream_are_reported() {
    let fixture = Fixture::new("zero\nONE\none\ntwo\nthree\n");
    let upstream = "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n zero\n-One\n+ONE\n one\n";
    let moved = "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n one\n-two\n+TWO\n three\n";
    let tree = fixture.put(&fixture.series("mixed", &[upstream, moved])).unwrap();
    let statuses: Vec<(PatchStatus, u64)> =
        tree.patches.iter().map(|patch| (patch.status, patch.max_offset)).collect();
    assert_eq!(statuses, [(PatchStatus::AlreadyUpstream, 0), (PatchStatus::Applied, 1)]);
    let notes = fixture.seen.notes().join("\n");
    assert!(notes.contains("0.patch is already in this release"), "{notes}");
    assert!(notes.contains("hunk 1 of f applies +1 lines away"), "{notes}");
}

#[test]
fn a_stopped_run_leaves_the_tree_unchanged() {
    let fixture = Fixture::new(FILE);
    let series = fixture.series("first", &[TWO]);
    fixture.cx.stop.set();
    let error = fixture.put(&series).unwrap_err();
    assert!(matches!(error, Error::Interrupted(_)) && error.exit() as u8 == 130, "{error:?}");
    let file = fixture.cx.store.path(Bucket::Sources, "6.1.187").join("linux/f");
    assert_eq!(fs::read_to_string(file).unwrap(), FILE);
}

#[test]
fn the_path_of_the_patched_tree_leads_to_its_files() {
    let fixture = Fixture::new(FILE);
    let tree = fixture.put(&fixture.series("first", &[TWO])).unwrap();
    assert!(tree.path().ends_with(Path::new("6.1.187/linux")));
    assert_eq!(fs::read_to_string(tree.path().join("f")).unwrap(), "one\nTWO\nthree\n");
}
