//! The packages of the kernel's own targets, from the build directory of the tool's packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kpatch_build::base::context::Context;
use kpatch_build::base::events::{Events, Stage};
use kpatch_build::base::options::Goal;
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::{Bucket, Lookup, Store};
use kpatch_build::base::{digest, process};
use kpatch_build::cli::args;
use kpatch_build::kernel::kbuild::build_dir::{BuildDir, temp_dir};
use kpatch_build::kernel::kbuild::make::{Make, build_timestamp};
use kpatch_build::pipeline;
use kpatch_build::pipeline::plan::{self, Plan};
use kpatch_build::stages::patch::{PatchedTree, patch};
use kpatch_build::stages::unpack::{self, TreeCheck};
use kpatch_build::stages::{fetch, verify};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::output::{printed, stdout};
use crate::support::tool::{LINE, Run, store};

/// Fast compression for rpm packages that are only compared.
const PLAIN: &str = "--define '_binary_payload w1.gzdio'";

/// A kernel, packaged by the tool and by its own build system.
pub struct Kernel {
    run: Run,
    theirs: tempfile::TempDir,
}

impl Kernel {
    /// Packages a kernel both ways; `args` are the arguments of `kpatch-build package` without the release.
    /// Call it only [`in_own_mounts`].
    pub fn new(args: &[&str]) -> Kernel {
        let run = Run::new(&[&["package", "--release", LINE], args].concat()).passed();
        let kernel = Kernel { run, theirs: tempfile::tempdir().unwrap() };
        process::set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
        kernel.make(args);
        kernel
    }

    pub fn report(&self) -> Value {
        self.run.report()
    }

    /// Returns the output of `uname -r` on this kernel.
    pub fn release(&self) -> String {
        self.report()["kernel"]["release"].as_str().unwrap().to_owned()
    }

    /// Returns the tool's package.
    pub fn ours(&self, kind: &str, part: &str) -> PathBuf {
        self.run.artifact(kind, part)
    }

    /// Returns all of the tool's packages of one kind.
    pub fn all(&self, kind: &str) -> Vec<PathBuf> {
        let report = self.report();
        let artifacts = report["artifacts"].as_array().unwrap();
        let of_kind = artifacts.iter().filter(|artifact| artifact["kind"] == kind);
        of_kind.map(|artifact| PathBuf::from(artifact["path"].as_str().unwrap())).collect()
    }

    /// Returns kbuild's package, by the start of its file name.
    pub fn theirs(&self, start: &str) -> PathBuf {
        let dirs = [self.theirs.path().to_owned(), self.theirs.path().join("rpm/RPMS/x86_64")];
        let mut found = dirs
            .iter()
            .flat_map(|dir| std::fs::read_dir(dir).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start));
        let path = found.next().unwrap_or_else(|| panic!("no package {start}"));
        assert_eq!(found.next(), None, "several packages start with {start}");
        path
    }

    /// Runs both targets on a copy of the build directory, mounted over the original. kbuild compares commands that
    /// contain the directory's path, and would rebuild everything at another path.
    fn make(&self, args: &[&str]) {
        let (cx, plan) = self.plan(args);
        let tree = patched(&cx, &plan);
        let source = tree.path();
        let dir = self.build_dir(&cx, &source);
        let builds = dir.path().parent().unwrap();
        printed(Command::new("cp").args(["-a", "--reflink=auto"]).arg(dir.path()).arg(self.theirs.path()));
        // Kbuild writes the .debs next to the build directory.
        printed(Command::new("mount").arg("--bind").arg(self.theirs.path()).arg(builds));
        let make =
            Make { cx: &cx, plan: &plan.kernel, tree: &source, build_dir: dir.path(), stage: Stage::Package };
        std::fs::create_dir_all(temp_dir(dir.path())).unwrap();
        for target in ["bindeb-pkg", "binrpm-pkg"] {
            let result = make
                .command()
                .env("KBUILD_BUILD_TIMESTAMP", build_timestamp(plan.kernel.time_of(tree.tree.released_at)))
                .env("KDEB_PKGVERSION", format!("{}-{}", plan.kernel.release, plan.kernel.revision))
                .env("KDEB_CHANGELOG_DIST", "unstable")
                .env("KDEB_COMPRESS", "none")
                .arg(format!(
                    "RPMOPTS=--define '_topdir {}' {PLAIN}",
                    self.theirs.path().join("rpm").display()
                ))
                .arg(format!("-j{}", plan.kernel.jobs))
                .arg(target)
                .run(&cx.stop);
            result.unwrap_or_else(|error| panic!("{target}: {error:?}"));
        }
    }

    fn plan(&self, more: &[&str]) -> (Context, Plan) {
        let exact = self.report()["release"].as_str().unwrap().to_owned();
        let out = self.run.out.path().to_str().unwrap();
        let words = [&["kpatch-build", "package", "--release", &exact, "--out", out], more].concat();
        let request = args::request(&words).map_err(|error| error.to_string()).unwrap();
        let cx = Context {
            store: Store::open(&store()).unwrap(),
            events: Events::silent(),
            stop: Stop::default(),
            offline: false,
            logs: self.theirs.path().join("logs"),
        };
        pipeline::check(&request, Goal::Package).map_err(|error| error.to_string()).unwrap();
        let plan = plan::resolve(&cx, &request, Goal::Package);
        (cx, plan.map_err(|error| error.to_string()).unwrap())
    }

    /// Returns the build directory with the configuration of the packaged kernel, locked.
    fn build_dir(&self, cx: &Context, source: &Path) -> BuildDir {
        let report = self.report();
        let config = report["kernel"]["config_sha256"].as_str().unwrap();
        let has = |name: &String| {
            let text = std::fs::read(cx.store.path(Bucket::Builds, name).join(".config")).unwrap_or_default();
            digest::hex(&Sha256::digest(text)) == config
        };
        let name = cx.store.entries(Bucket::Builds).unwrap().into_iter().find(has);
        let name = name.expect("a build directory has the kernel's configuration");
        match cx.lookup(Stage::Build, Bucket::Builds, &name).unwrap() {
            Lookup::Hit(entry) => BuildDir::open(entry, source, false, &cx.stop).unwrap().0,
            Lookup::Miss(_) => panic!("the store lacks {name}"),
        }
    }
}

/// Returns the kernel's source with its series applied, locked.
fn patched(cx: &Context, plan: &Plan) -> PatchedTree {
    let source = verify::verify(cx, fetch::fetch(cx, &plan.offers).unwrap()).unwrap();
    patch(cx, &plan.kernel.series, unpack::unpack(cx, &source, TreeCheck::Contents).unwrap()).unwrap()
}

/// Runs the test `name` of this suite in a separate process with private mounts. Returns true in that
/// process.
pub fn in_own_mounts(name: &str) -> bool {
    const INSIDE: &str = "KPATCH_BUILD_TEST_IN_OWN_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut again = Command::new("unshare");
    again.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    let path = format!("conformance::{name}");
    let output = again
        .args([&path, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(stdout(&output).contains("test result: ok. 1 passed"), "{name} failed:\n{}", stdout(&output));
    false
}
