//! A store, a plan and a source tree for the tests of configure and build.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod fake;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kpatch_build::base::cache_key::Key;
use kpatch_build::base::context::Context;
use kpatch_build::base::events::{Event, Events, Sink};
use kpatch_build::base::options::{Compression, Lang, Timestamp};
use kpatch_build::base::process::set_supervisor;
use kpatch_build::base::release::Release;
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::{Lookup, Room, Store};
use kpatch_build::kernel::KernelPlan;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::kernel::series::Series;
use kpatch_build::kernel::toolchain::{self, Compiler, RustToolchain, Toolchain};
use kpatch_build::stages::patch::PatchedTree;
use kpatch_build::stages::unpack::SourceTree;

#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Event>>>);

impl Sink for Seen {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Seen {
    pub fn notes(&self) -> Vec<String> {
        let note = |event: &Event| match event {
            Event::Note { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(note).collect()
    }

    /// The counts of objects, with their totals.
    pub fn objects(&self) -> Vec<(u64, Option<u64>)> {
        let count = |event: &Event| match event {
            Event::Progress { done, total, .. } => Some((*done, *total)),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(count).collect()
    }
}

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub cx: Context,
    pub seen: Seen,
    pub release: Release,
}

impl Bench {
    /// A store whose source tree is `tree`, which is not written to.
    pub fn new(tree: &Path) -> Bench {
        Bench::with(tree, |tree, linux| std::os::unix::fs::symlink(tree, linux).unwrap())
    }

    /// A store with a copy of `tree`.
    pub fn with_copy(tree: &Path) -> Bench {
        Bench::with(tree, |tree, linux| {
            let copied = std::process::Command::new("cp")
                .args(["-a", "--reflink=auto"])
                .args([tree, linux])
                .status()
                .unwrap();
            assert!(copied.success());
        })
    }

    fn with(tree: &Path, place: impl FnOnce(&Path, &Path)) -> Bench {
        set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let Lookup::Miss(slot) = store.lookup(Room::Sources, "tree", &Stop::default(), || {}).unwrap() else {
            panic!("the store is new")
        };
        place(tree, &slot.path().join("linux"));
        slot.commit().unwrap();
        let seen = Seen::default();
        let cx = Context {
            store,
            events: Events::new(seen.clone()),
            stop: Stop::default(),
            offline: true,
            logs: dir.path().join("logs"),
        };
        Bench { dir, cx, seen, release: release_of(tree) }
    }

    /// The next run of the tool, on the same store.
    pub fn again(mut self) -> Bench {
        self.cx.stop = Stop::default();
        self
    }

    pub fn plan(&self, kconfigs: &[&str], jobs: usize) -> KernelPlan {
        let names: Vec<String> = kconfigs.iter().map(|name| name.to_string()).collect();
        KernelPlan {
            release: self.release,
            series: no_series(),
            lang: Lang::C,
            kconfig: Kconfig::load(&names).unwrap(),
            toolchain: toolchain::discover("gcc", &self.cx.stop).unwrap(),
            localversion: format!("-none-{}", kconfigs.join("-")),
            revision: 1,
            formats: Vec::new(),
            parts: Vec::new(),
            compression: Compression::default(),
            timestamp: Timestamp::OfSource,
            signer: None,
            jobs,
            out: self.dir.path().join("out"),
            boot_tested: false,
        }
    }

    /// The tree, as if nothing had been applied.
    pub fn patched(&self) -> PatchedTree {
        self.patched_with("none")
    }

    /// The tree as the series `series` left it.
    pub fn patched_with(&self, series: &str) -> PatchedTree {
        let Lookup::Hit(entry) = self.cx.store.lookup(Room::Sources, "tree", &self.cx.stop, || {}).unwrap()
        else {
            panic!("the tree is there")
        };
        let tree = SourceTree {
            entry,
            release: self.release,
            key: Key::of("tree", &self.release),
            made: 1_619_390_204,
            cached: true,
        };
        PatchedTree { tree, patches: Vec::new(), key: Key::of("patch", &series) }
    }

    pub fn source(&self, file: &str) -> PathBuf {
        self.cx.store.path(Room::Sources, "tree").join("linux").join(file)
    }

    /// A file besides store and tree; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    pub fn log(&self, stage: &str) -> String {
        fs::read_to_string(self.cx.logs.join(format!("{stage}.log"))).unwrap_or_default()
    }

    /// The only `O=` folder.
    pub fn build_folder(&self) -> PathBuf {
        let entries = self.cx.store.entries(Room::Builds).unwrap();
        assert_eq!(entries.len(), 1, "{entries:?}");
        self.cx.store.path(Room::Builds, &entries[0])
    }
}

pub fn no_series() -> Series {
    Series {
        name: "none".to_owned(),
        title: String::new(),
        summary: String::new(),
        origin: String::new(),
        unpatched: None,
        patches: Vec::new(),
        switches: Vec::new(),
        compat: Vec::new(),
        claims: kpatch_build::claims::Claims::default(),
        borrowed_from: None,
    }
}

pub fn fake_toolchain() -> Toolchain {
    Toolchain {
        compiler: Compiler::Gcc,
        cc: "/usr/bin/true".into(),
        cc_version: "gcc 12.2.0".to_owned(),
        cc_text: String::new(),
        ld_version: "GNU ld 2.40".to_owned(),
        rust: None,
        pahole_version: None,
    }
}

pub fn fake_rust() -> RustToolchain {
    RustToolchain {
        rustc: "/opt/rust/bin/rustc".into(),
        rustc_version: "rustc 1.96.0".to_owned(),
        rustc_text: "rustc 1.96.0 (abc 2026-01-01)".to_owned(),
        library: "/opt/rust/library".into(),
        bindgen: "/opt/cargo/bindgen".into(),
        bindgen_version: "bindgen 0.72.1".to_owned(),
        libclang: "/opt/llvm/lib".into(),
        libclang_version: "clang 19.1.7".to_owned(),
    }
}

fn release_of(tree: &Path) -> Release {
    let makefile = fs::read_to_string(tree.join("Makefile")).unwrap();
    let number = |name: &str| {
        let line = makefile.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap();
        line.trim().parse().unwrap()
    };
    Release::new(number("VERSION"), number("PATCHLEVEL"), number("SUBLEVEL"))
}

/// The kernel trees of `KPATCH_BUILD_TEST_TREES`. Without it the test is passed over, but not
/// where the tests must be complete.
pub fn trees() -> Vec<PathBuf> {
    match std::env::var_os("KPATCH_BUILD_TEST_TREES") {
        Some(paths) => std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect(),
        None if std::env::var_os("CI").is_some_and(|value| value == "true") => {
            panic!("KPATCH_BUILD_TEST_TREES is not set")
        }
        None => {
            eprintln!("passed over: KPATCH_BUILD_TEST_TREES names no kernel trees");
            Vec::new()
        }
    }
}
