//! Debian's patches and damaged forms of them, against git apply and GNU patch.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use kpatch_build::base::digest::sha256;
use kpatch_build::base::options::Lang;
use kpatch_build::kernel::series::{self, PatchFile};
use kpatch_build::kernel::toolchain::{Compiler, Toolchain};
use kpatch_build::stages::patch::tree::Overlay;

use super::archive::{Package, packages};
use super::case::{Case, Memory, Ours, Tree, merged, paths, read, write};
use super::disagreement::{Answers, Verdict};
use super::mutation::mutated;
use crate::support::need::have;

const REAL: usize = 3_000;
const MUTATIONS: u64 = 20_000;

/// The quilt series of one package, those for real time after the others.
struct Loaded {
    package: Package,
    /// `debian/patches` and, of Linux, `debian/patches-rt`.
    directories: Vec<PathBuf>,
    patches: Vec<PatchFile>,
    /// The upstream files that the patches name.
    tree: Tree,
    /// Keeps the directories.
    _unpacked: tempfile::TempDir,
}

impl Loaded {
    fn new(package: &Package) -> Option<Loaded> {
        let unpacked = scratch();
        package.unpack_debian(unpacked.path());
        let directories = ["debian/patches", "debian/patches-rt"].map(|name| unpacked.path().join(name));
        let directories: Vec<PathBuf> = directories
            .into_iter()
            .filter(|dir| fs::read(dir.join("series")).is_ok_and(|text| !text.is_empty()))
            .collect();
        let patches: Vec<PatchFile> = directories.iter().flat_map(|dir| quilt(dir)).collect();
        let wanted: BTreeSet<PathBuf> = patches.iter().flat_map(paths).collect();
        let tree = if wanted.is_empty() { return None } else { package.extract(&wanted) };
        Some(Loaded { package: package.clone(), directories, patches, tree, _unpacked: unpacked })
    }

    /// Visits each patch with the files that it names, as the patches before it left them. `visit` returns the files
    /// after the patch; a patch without an answer changes nothing.
    fn walk(&self, visit: &mut dyn FnMut(&Case) -> Option<Tree>) {
        let mut state = self.tree.clone();
        for patch in &self.patches {
            let tree: Tree = paths(patch)
                .into_iter()
                .filter_map(|path| state.get(&path).cloned().map(|file| (path, file)))
                .collect();
            let name = format!("{} {} {}", self.package.name, self.package.version, patch.name);
            let case = Case { name, patch: patch.clone(), tree };
            if let Some(after) = visit(&case) {
                for path in case.tree.keys() {
                    state.remove(path);
                }
                state.extend(after);
            }
        }
    }
}

/// A directory in memory, where there is one: the tests write a million small files.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The patches as kpatch-build reads them; one by one if it refuses the series.
fn quilt(dir: &Path) -> Vec<PatchFile> {
    let gcc = Toolchain {
        compiler: Compiler::Gcc,
        cc: "cc".into(),
        cc_version: "gcc 12.2.0".into(),
        cc_text: String::new(),
        ld_version: "GNU ld 2.40".into(),
        rust: None,
        pahole_version: None,
    };
    let release = "6.1.187".parse().unwrap();
    match series::load(&dir.display().to_string(), &release, Lang::C, &gcc) {
        Ok(series) => series.patches,
        // A series file without a patch.
        Err(series::Error::Empty { .. }) => Vec::new(),
        Err(error) => panic!("{}: {error}", dir.display()),
    }
}

/// Every package with its patches, loaded once for all tests.
fn corpus() -> &'static [Loaded] {
    static CORPUS: OnceLock<Vec<Loaded>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let mut packages = packages();
        // The largest ones first.
        packages.sort_by_key(|package| package.name != "linux");
        let loaded = in_parallel(&packages, Loaded::new);
        loaded.into_iter().flatten().collect()
    })
}

/// Calls `work` for each item, on every processor.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = Mutex::new(0..items.len());
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(at) = next.lock().unwrap().next() else { break };
                    let result = work(&items[at]);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// The answers to many cases, by kind.
#[derive(Default)]
struct Tally {
    kinds: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn add(&mut self, case: &Case, answers: &Answers) {
        match answers.verdict() {
            Verdict::Agreed(kind) | Verdict::Explained(kind) => *self.kinds.entry(kind).or_default() += 1,
            Verdict::Unexplained(what) => {
                let dir =
                    Path::new(env!("CARGO_TARGET_TMPDIR")).join("disagreements").join(case.patch.sha256());
                write(&dir.join("tree"), &case.tree);
                fs::write(dir.join("patch"), &case.patch.content).unwrap();
                self.unexplained.push(format!("{}: {what} ({})", case.name, dir.display()));
            }
        }
    }

    fn merge(&mut self, other: Tally) {
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.unexplained.extend(other.unexplained);
    }

    fn check(&self) {
        for (kind, count) in &self.kinds {
            println!("{count:6}  {kind}");
        }
        assert!(
            self.unexplained.is_empty(),
            "{} disagreements without a reason:\n{}",
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
    }
}

#[test]
fn real_patches_of_debian_give_the_tree_that_git_and_gnu_patch_agree_on() {
    if !have(&["git", "patch", "apt-get", "xz"]) {
        return;
    }
    let seen = Mutex::new((HashSet::new(), HashSet::new()));
    let tallies = in_parallel(corpus(), |loaded| {
        let (scratch, mut tally) = (scratch(), Tally::default());
        loaded.walk(&mut |case| {
            let key = key(case);
            let is_new = {
                let mut seen = seen.lock().unwrap();
                seen.1.insert(case.patch.sha256());
                seen.0.insert(key)
            };
            if !is_new {
                return after(case);
            }
            let answers = Answers::of(case, scratch.path());
            tally.add(case, &answers);
            answers.agreed().cloned().or_else(|| after(case))
        });
        tally
    });
    let mut all = Tally::default();
    tallies.into_iter().for_each(|tally| all.merge(tally));
    let (cases, patches) = seen.into_inner().unwrap();
    println!(
        "{} packages, {} different patches, {} on different files",
        corpus().len(),
        patches.len(),
        cases.len()
    );
    all.check();
    assert!(patches.len() >= REAL, "the mirror has only {} patches", patches.len());
    for line in [(6, 1), (6, 12)] {
        assert!(linux(line).is_some(), "the mirror has no linux {}.{}", line.0, line.1);
    }
}

/// Names the patch and the files together.
fn key(case: &Case) -> String {
    let mut text = case.patch.content.clone();
    for (path, file) in &case.tree {
        text.extend_from_slice(path.as_os_str().as_encoded_bytes());
        text.extend_from_slice(&file.content);
    }
    sha256(text)
}

/// The tree after kpatch-build.
fn after(case: &Case) -> Option<Tree> {
    match case.ours() {
        Ours::Tree(tree) => Some(tree),
        Ours::Present | Ours::Refused(_) => None,
    }
}

#[test]
fn real_damaged_patches_are_refused_or_give_the_tree_that_git_or_gnu_patch_gives() {
    if !have(&["git", "patch", "apt-get", "xz"]) {
        return;
    }
    let pool = Mutex::new(BTreeMap::new());
    in_parallel(corpus(), |loaded| {
        loaded.walk(&mut |case| {
            let size: usize = case.tree.values().map(|file| file.content.len()).sum();
            let ours = after(case);
            if size < 60_000 && case.patch.content.len() < 8_000 && ours.is_some() {
                pool.lock().unwrap().insert(case.patch.sha256(), case.clone());
            }
            ours
        });
    });
    let pool: Vec<Case> = pool.into_inner().unwrap().into_values().collect();
    let seeds: Vec<u64> = (0..MUTATIONS).collect();
    let chunks: Vec<&[u64]> = seeds.chunks(100).collect();
    let tallies = in_parallel(&chunks, |seeds| {
        let (scratch, mut tally) = (scratch(), Tally::default());
        for seed in *seeds {
            let case = mutated(&pool[*seed as usize % pool.len()], *seed);
            tally.add(&case, &Answers::until_one_agrees(&case, scratch.path()));
        }
        tally
    });
    let mut all = Tally::default();
    tallies.into_iter().for_each(|tally| all.merge(tally));
    println!("{MUTATIONS} mutations of {} patches", pool.len());
    all.check();
}

fn linux(line: (u32, u32)) -> Option<&'static Loaded> {
    corpus().iter().find(|loaded| loaded.package.name == "linux" && loaded.package.line() == line)
}

#[test]
fn real_series_of_debians_kernels_give_the_tree_of_quilt_byte_for_byte() {
    if !have(&["quilt", "patch", "apt-get", "xz"]) {
        return;
    }
    for loaded in corpus().iter().filter(|loaded| loaded.package.name == "linux") {
        let memory = Memory(&loaded.tree);
        let mut overlay = Overlay::new(&memory);
        for patch in &loaded.patches {
            overlay.apply(patch).unwrap_or_else(|error| panic!("{}: {error}", loaded.package.version));
        }
        let ours = merged(&loaded.tree, overlay.into_files());
        let dir = scratch();
        write(&dir.path().join("t"), &loaded.tree);
        for (number, patches) in loaded.directories.iter().enumerate() {
            let mut quilt = Command::new("quilt");
            quilt.args(["--quiltrc", "-", "push", "-aq"]).current_dir(dir.path().join("t"));
            quilt.env("QUILT_PATCHES", patches).env("QUILT_PC", dir.path().join(format!("pc{number}")));
            quilt.env("QUILT_PATCH_OPTS", "-F0 -E").stdin(Stdio::null());
            let out = quilt.output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
        let by_quilt = read(&dir.path().join("t"));
        let differing: Vec<_> = ours
            .keys()
            .chain(by_quilt.keys())
            .filter(|path| ours.get(*path) != by_quilt.get(*path))
            .collect();
        assert!(differing.is_empty(), "linux {}: {differing:?}", loaded.package.version);
        println!(
            "linux {}: {} patches, {} files, the same tree as quilt's",
            loaded.package.version,
            loaded.patches.len(),
            ours.len()
        );
    }
}
