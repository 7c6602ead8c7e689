//! The fuzzer: runs the target that `KPATCH_BUILD_FUZZ_TARGET` names on the inputs that libFuzzer makes. `run` builds and
//! starts it.

#![no_main]

use std::sync::OnceLock;

use kpatch_build::fuzz::{TARGETS, Target};

fn target() -> Target {
    let name = std::env::var("KPATCH_BUILD_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("KPATCH_BUILD_FUZZ_TARGET is {name:?}, which is no target")).1
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(target)(input);
});
