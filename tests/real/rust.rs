//! One series in C and in Rust on one release.
//!
//! Needs the programs that `kpatch-build doctor --lang rust` checks. `KPATCH_BUILD_TEST_RUST_RELEASE` selects the
//! release; the default is the newest of 6.12.y.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kpatch_build::base::stop::Stop;
use kpatch_build::compare::Comparison;
use kpatch_build::kernel::series;
use kpatch_build::kernel::toolchain::rust::{SearchPaths, discover};
use serde_json::{Value, json};

use crate::support::need::{have, present};
use crate::support::tool::{Run, can_boot, read_report, store};

/// A series with deterministic registers: none contains an address of the tracee.
const SERIES: &str = "copy-segments";

fn release() -> String {
    std::env::var("KPATCH_BUILD_TEST_RUST_RELEASE").unwrap_or_else(|_| "6.12.y".to_owned())
}

fn can_build_rust() -> bool {
    kpatch_build::base::process::set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    match discover(&SearchPaths::of_this_host(), &Stop::default()) {
        Ok(_) => true,
        Err(error) => present(&format!("Rust for kernels ({error})"), false),
    }
}

fn booted(lang: &str) -> Value {
    let run =
        Run::new(&["boot", "--release", &release(), "--series", SERIES, "--lang", lang]).passed().report();
    assert_eq!(run["boot"]["verdict"], "pass");
    assert_eq!(run["request"]["lang"], lang);
    run
}

/// Returns every observed value by tracee size, thread (numbered among threads of the same name) and field or register.
fn facts(report: &Value) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::new();
    let mut nth: BTreeMap<String, u32> = BTreeMap::new();
    for seen in report["boot"]["observations"].as_array().expect("the boot was observed") {
        let thread = format!("{}-bit {}", seen["tracee_bits"], seen["thread"].as_str().unwrap());
        let count = nth.entry(thread.clone()).or_default();
        *count += 1;
        // Process IDs, which are part of the thread's name, differ between boots.
        let fields =
            seen.as_object().unwrap().iter().filter(|(field, _)| !["name", "tid"].contains(&field.as_str()));
        for (field, value) in fields {
            let name = format!("{thread} {count} {field}");
            match value.as_object() {
                Some(registers) => facts.extend(
                    registers.iter().map(|(register, value)| (format!("{name}.{register}"), value.clone())),
                ),
                None => {
                    facts.insert(name, value.clone());
                }
            }
        }
    }
    facts
}

/// Returns the differences between two boots, for io threads only: the program's other threads stop anywhere.
fn differences(left: &Value, right: &Value) -> Vec<String> {
    let (left, right) = (facts(left), facts(right));
    let names: std::collections::BTreeSet<_> =
        left.keys().chain(right.keys()).filter(|name| name.contains(" iou-")).collect();
    let differ = names.iter().filter(|name| left.get(**name) != right.get(**name));
    differ.map(|name| format!("{name}: {:?} and {:?}", left.get(*name), right.get(*name))).collect()
}

#[test]
fn c_and_rust_show_the_same_register_by_register() {
    if !can_boot() || !can_build_rust() {
        return;
    }
    let (c, rust) = (booted("c"), booted("rust"));
    assert!(rust["kernel"]["release"].as_str().unwrap().ends_with("-copy-segments-rust-boot"), "{rust}");
    assert!(rust["toolchain"]["rustc"].is_string() && c["toolchain"]["rustc"].is_null());
    assert_ne!(c["kernel"]["image_sha256"], rust["kernel"]["image_sha256"]);

    let registers = facts(&rust).into_keys().filter(|name| name.contains(" iou-") && name.contains(".r15"));
    assert!(registers.count() >= 4, "two kinds of io threads in two sizes of tracee");
    let differ = differences(&c, &rust);
    assert!(differ.is_empty(), "{differ:#?}");

    // A different register of one thread is reported.
    let mut altered = rust.clone();
    let seen = altered["boot"]["observations"].as_array_mut().unwrap();
    let io = seen.iter_mut().find(|seen| seen["thread"].as_str().unwrap().starts_with("iou-")).unwrap();
    io["regs"]["r12"] = json!("0x1");
    assert_eq!(differences(&c, &altered).len(), 1);
}

/// Newer compilers need build fixes, which the comparison lists next to the patches of the series.
#[test]
fn a_comparison_in_rust_shows_the_patches_that_were_applied() {
    if !can_boot() || !can_build_rust() {
        return;
    }
    let run = Run::new(&["compare", "--release", &release(), "--series", SERIES, "--lang", "rust"]).passed();
    let comparison = Comparison::load(&run.out.path().join("compare.json")).unwrap();
    let build = comparison.cells[0].build.as_ref().unwrap();
    let report = read_report(&run.out.path().join(&build.directory));
    let applied: Vec<_> =
        report["patches"].as_array().unwrap().iter().map(|patch| patch["file"].as_str().unwrap()).collect();
    let shown: Vec<_> = build.patches.iter().map(|patch| patch.file.as_str()).collect();
    assert_eq!(shown, applied);
    assert!(!shown.is_empty());
}

/// Returns the build directory of the kernel in this report.
fn build_dir(report: &Value) -> PathBuf {
    use sha2::{Digest, Sha256};
    let config = report["kernel"]["config_sha256"].as_str().unwrap();
    let mut dirs = fs::read_dir(store().join("builds")).unwrap().flatten().map(|entry| entry.path());
    let built = dirs.find(|dir| {
        let text = fs::read(dir.join(".config")).unwrap_or_default();
        kpatch_build::base::digest::hex(&Sha256::digest(&text)) == config
    });
    // The build directory of a stored kernel may have been removed.
    built.expect("no build directory has the kernel's configuration")
}

#[test]
fn the_rust_object_cannot_panic_and_the_kernel_contains_no_path_of_this_machine() {
    if !can_boot() || !can_build_rust() || !have(&["nm"]) {
        return;
    }
    let run = Run::new(&["build", "--release", &release(), "--series", SERIES, "--lang", "rust"]).passed();
    let dir = build_dir(&run.report());
    let object = dir.join("arch/x86/kernel/io_thread.o");
    let symbols = Command::new("nm").arg(&object).output().unwrap();
    let symbols = String::from_utf8(symbols.stdout).unwrap();
    assert!(symbols.lines().any(|line| line.ends_with(" T io_thread_set_regs")), "{symbols}");
    assert!(!symbols.contains("panic"), "{symbols}");

    let kernel = fs::read(dir.join("vmlinux")).unwrap();
    let contains = |text: &str| kernel.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("/usr/src/rust-library/core/src/"), "core's messages contain its path");
    let rust = discover(&SearchPaths::of_this_host(), &Stop::default()).unwrap();
    for path in [&store(), &rust.library] {
        assert!(!contains(path.to_str().unwrap()), "{} is in vmlinux", path.display());
    }
}

/// The Rust sources; each series has one of them.
const SOURCES: [&str; 3] = ["arch/x86/kernel/io_thread.rs", "kernel/io_thread.rs", "fs/proc/io_thread.rs"];

/// The command with which kbuild compiled `io_thread.o`, from its record (scripts/Kbuild.include).
struct Kbuild {
    dir: PathBuf,
    tree: PathBuf,
    command: String,
}

impl Kbuild {
    fn of(dir: PathBuf) -> Kbuild {
        let record = fs::read_to_string(dir.join("arch/x86/kernel/.io_thread.o.cmd")).unwrap();
        let (_, command) = record.lines().next().unwrap().split_once(" := ").unwrap();
        // objtool runs after the compiler.
        let command = command.split(" ; ").next().unwrap().to_owned();
        let mut words = command.split_whitespace();
        let source =
            words.find_map(|word| word.strip_suffix(SOURCES[0])).expect("the command names the source");
        Kbuild { tree: PathBuf::from(source), dir, command }
    }

    /// Runs the command of `make CLIPPY=1`: the same command with clippy's driver instead of the compiler.
    fn clippy(&self, driver: &Path, rustc: &Path, source: &Path) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let words = self.command.split_whitespace().map(|word| match word {
            word if Path::new(word) == rustc => driver.display().to_string(),
            word if word.ends_with(SOURCES[0]) => source.display().to_string(),
            word if word.starts_with("--emit=") => {
                let (kind, _) = word.split_once('=').unwrap().1.split_once('=').unwrap();
                format!("--emit={kind}={}", dir.path().join(kind).display())
            }
            word => word.to_owned(),
        });
        let line = words.collect::<Vec<_>>().join(" ");
        assert!(line.contains("clippy-driver") && line.contains("-Wclippy::all"), "{line}");
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(&self.dir).env("CLIPPY_CONF_DIR", &self.tree);
        // The kernel's Makefile exports it.
        command.env("RUSTC_BOOTSTRAP", "1");
        // Cargo sets it for this project, and clippy would apply it to the kernel.
        command.env_remove("CARGO_PKG_RUST_VERSION");
        command.output().unwrap()
    }
}

/// Checks `source` as the kernel's `make rustfmtcheck` does.
fn rustfmt(tree: &Path, source: &Path) -> Output {
    Command::new("rustfmt").args(["--check", "--config-path"]).arg(tree).arg(source).output().unwrap()
}

#[test]
fn every_series_in_rust_passes_the_kernels_rustfmt_and_clippy() {
    if !can_boot() || !can_build_rust() || !have(&["rustfmt", "/usr/bin/clippy-driver"]) {
        return;
    }
    let rust = discover(&SearchPaths::of_this_host(), &Stop::default()).unwrap();
    let driver = rust.rustc.with_file_name("clippy-driver");
    let stderr = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let tool = |goal: &str, series: &str| {
        Run::new(&[goal, "--release", &release(), "--series", series, "--lang", "rust"]).passed()
    };
    let kbuild = Kbuild::of(build_dir(&tool("build", SERIES).report()));
    let shipped = series::list().unwrap().into_iter().filter(|summary| summary.selectable);
    let names: Vec<String> = shipped.map(|summary| summary.name).collect();
    assert_eq!(names.len(), 7);
    for series in &names {
        tool("patch", series);
        let mut sources = SOURCES.iter().map(|name| kbuild.tree.join(name)).filter(|path| path.exists());
        let source = sources.next().expect("a series in Rust has its object");
        assert_eq!(sources.next(), None, "the file of the other series is removed");

        let formatted = rustfmt(&kbuild.tree, &source);
        assert!(formatted.status.success(), "{series}: {}", String::from_utf8_lossy(&formatted.stdout));
        let linted = kbuild.clippy(&driver, &rust.rustc, &source);
        assert!(linted.status.success() && linted.stderr.is_empty(), "{series}: {}", stderr(&linted));
    }

    // A faulty file shows that both programs work.
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("io_thread.rs");
    let text = "//! Wrong.\n\n/// Wrong.\npub fn wrong(x: u32) -> u32 { return x; }\n";
    fs::write(&wrong, text).unwrap();
    assert!(stderr(&kbuild.clippy(&driver, &rust.rustc, &wrong)).contains("unneeded `return`"));
    assert!(!rustfmt(&kbuild.tree, &wrong).status.success());
}
