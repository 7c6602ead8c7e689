//! One series in C and in Rust on one release: `cargo test --test rust_real -- --test-threads=1`.
//!
//! Needs what `kpatch-build doctor --lang rust` asks for. The store is that of the target `real`;
//! `KPATCH_BUILD_TEST_RUST_RELEASE` names another release than the newest of 6.12.y.

#[path = "real/harness.rs"]
#[allow(dead_code, reason = "the target real uses all of it")]
mod harness;

use std::collections::BTreeMap;
use std::process::Command;

use harness::{Run, can_boot, have, store};
use kpatch_build::stop::Stop;
use kpatch_build::toolchain::rust::{Places, discover};
use serde_json::{Value, json};

/// Deterministic in every register: none is an address of the tracee.
const SERIES: &str = "copy-segments";

fn release() -> String {
    std::env::var("KPATCH_BUILD_TEST_RUST_RELEASE").unwrap_or_else(|_| "6.12.y".to_owned())
}

fn can_build_rust() -> bool {
    kpatch_build::process::set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    match discover(&Places::of_this_host(), &Stop::default()) {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI cannot build Rust: {error}");
            eprintln!("SKIPPED: {error}");
            false
        }
    }
}

fn booted(lang: &str) -> Value {
    let run =
        Run::new(&["boot", "--release", &release(), "--series", SERIES, "--lang", lang]).passed().report();
    assert_eq!(run["boot"]["verdict"], "pass");
    assert_eq!(run["request"]["lang"], lang);
    run
}

/// Every observed value by tracee, thread (the nth of its name) and field; registers each by itself.
fn facts(report: &Value) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::new();
    let mut nth: BTreeMap<String, u32> = BTreeMap::new();
    for seen in report["boot"]["observations"].as_array().expect("the boot was observed") {
        let thread = format!("{}-bit {}", seen["tracee_bits"], seen["thread"].as_str().unwrap());
        let count = nth.entry(thread.clone()).or_default();
        *count += 1;
        // Process ids, which are in the thread's name too, follow from what else ran.
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

/// What differs between two boots, io threads only: those of the program run where they happen to.
fn differences(one: &Value, other: &Value) -> Vec<String> {
    let (one, other) = (facts(one), facts(other));
    let names: std::collections::BTreeSet<_> =
        one.keys().chain(other.keys()).filter(|name| name.contains(" iou-")).collect();
    let differ = names.iter().filter(|name| one.get(**name) != other.get(**name));
    differ.map(|name| format!("{name}: {:?} and {:?}", one.get(*name), other.get(*name))).collect()
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

    // One register of one thread is enough to be told.
    let mut altered = rust.clone();
    let seen = altered["boot"]["observations"].as_array_mut().unwrap();
    let io = seen.iter_mut().find(|seen| seen["thread"].as_str().unwrap().starts_with("iou-")).unwrap();
    io["regs"]["r12"] = json!("0x1");
    assert_eq!(differences(&c, &altered).len(), 1);
}

#[test]
fn the_rust_object_can_not_panic_and_no_path_of_this_machine_is_in_the_kernel() {
    if !can_boot() || !can_build_rust() || !have(&["nm"]) {
        return;
    }
    let run = Run::new(&["build", "--release", &release(), "--series", SERIES, "--lang", "rust"]).passed();
    let config = run.report()["kernel"]["config_sha256"].as_str().unwrap().to_owned();
    let folders = std::fs::read_dir(store().join("builds")).unwrap().flatten();
    let folder = folders.map(|folder| folder.path()).find(|folder| {
        use sha2::{Digest, Sha256};
        let text = std::fs::read(folder.join(".config")).unwrap_or_default();
        kpatch_build::key::hex(&Sha256::digest(&text)) == config
    });
    // A kernel that the store had before may have no build folder any more.
    let Some(folder) = folder else { panic!("no build folder has the kernel's configuration") };
    let object = folder.join("arch/x86/kernel/io_thread.o");
    let symbols = Command::new("nm").arg(&object).output().unwrap();
    let symbols = String::from_utf8(symbols.stdout).unwrap();
    assert!(symbols.lines().any(|line| line.ends_with(" T io_thread_set_regs")), "{symbols}");
    assert!(!symbols.contains("panic"), "{symbols}");

    let kernel = std::fs::read(folder.join("vmlinux")).unwrap();
    let holds = |text: &str| kernel.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("/usr/src/rust-library/core/src/"), "where core's own messages come from");
    let rust = discover(&Places::of_this_host(), &Stop::default()).unwrap();
    for path in [&store(), &rust.library] {
        assert!(!holds(path.to_str().unwrap()), "{} is in vmlinux", path.display());
    }
}
