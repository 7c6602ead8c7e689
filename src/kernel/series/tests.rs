use super::*;
use crate::base::error::{Exit, Explain};
use crate::base::release::Line;
use crate::kernel::series::diff;
use crate::kernel::toolchain::{Compiler, RustToolchain};

fn toolchain(compiler: Compiler, version: &str) -> Toolchain {
    Toolchain {
        compiler,
        cc: "cc".into(),
        cc_version: version.into(),
        cc_text: String::new(),
        ld_version: "GNU ld 2.40".into(),
        rust: None,
        pahole_version: None,
    }
}

fn gcc_12() -> Toolchain {
    toolchain(Compiler::Gcc, "gcc 12.2.0")
}

fn load_for(name: &str, release: &str) -> Result<Series, Error> {
    load(name, &release.parse().unwrap(), Lang::C, &gcc_12())
}

#[test]
fn every_shipped_series_covers_every_supported_line() {
    for summary in list().unwrap().into_iter().filter(|summary| summary.selectable) {
        let name = summary.name;
        assert_eq!(summary.lines.keys().copied().collect::<Vec<_>>(), Line::SUPPORTED, "{name}");
        let details = show(&name).unwrap();
        assert!(!details.origin.is_empty() && !details.summary.is_empty(), "{name}");
        for line in Line::SUPPORTED {
            let release = Release::new(line.major, line.minor, 200);
            let series = load(&name, &release, Lang::C, &gcc_12()).unwrap();
            assert_eq!(series.unpatched.is_some(), series.patches.is_empty(), "{name} on {line}");
            assert_eq!(series.borrowed_from, None, "{name} on {line}");
        }
    }
}

#[test]
fn every_shipped_patch_is_readable_and_has_no_sign_off() {
    for summary in list().unwrap() {
        for variant in show(&summary.name).unwrap().variants {
            for patch in variant.patches {
                let files = diff::parse(&patch.content, patch.reading).unwrap();
                assert!(!files.is_empty(), "{}", patch.name);
                let text = String::from_utf8(patch.content).unwrap();
                assert!(text.contains("\nSubject: [PATCH] "), "{}", patch.name);
                assert!(!text.contains("Signed-off-by:"), "{}: only a person may sign off", patch.name);
            }
        }
    }
}

#[test]
fn the_unpatched_kernel_is_zeroed_on_5_12_and_user_frame_on_other_lines() {
    for line in Line::SUPPORTED {
        let release = Release::new(line.major, line.minor, 200);
        let unpatched = |name| load(name, &release, Lang::C, &gcc_12()).unwrap().unpatched.is_some();
        let old = line == Line::new(5, 12);
        assert_eq!((unpatched("zeroed"), unpatched("user-frame")), (old, !old), "{line}");
        let patched = ["copy-segments", "einval-attach", "einval-regs", "hide-threads", "user-segments"];
        assert!(patched.iter().all(|name| !unpatched(name)), "{line}");
    }
}

#[test]
fn each_series_changes_only_its_file() {
    for (name, file) in [
        ("zeroed", "arch/x86/kernel/process.c"),
        ("copy-segments", "arch/x86/kernel/process.c"),
        ("user-segments", "arch/x86/kernel/process.c"),
        ("user-frame", "arch/x86/kernel/process.c"),
        ("einval-regs", "arch/x86/kernel/ptrace.c"),
        ("einval-attach", "kernel/ptrace.c"),
        ("hide-threads", "fs/proc/base.c"),
    ] {
        for line in Line::SUPPORTED {
            let series = load(name, &Release::new(line.major, line.minor, 200), Lang::C, &gcc_12()).unwrap();
            for patch in series.patches {
                let files = diff::parse(&patch.content, patch.reading).unwrap();
                let [only] = &files[..] else { panic!("{} changes {} files", patch.name, files.len()) };
                assert_eq!(only.change, diff::Change::Modify(file.into()), "{}", patch.name);
            }
        }
    }
}

#[test]
fn a_release_between_two_lines_borrows_from_the_nearest_older_one() {
    let series = load_for("copy-segments", "6.6.3").unwrap();
    assert_eq!(series.borrowed_from, Some(Line::new(6, 1)));
    assert!(series.patches[0].name.starts_with("patches/copy-segments/6.1/"), "{}", series.patches[0].name);
    assert!(load_for("user-frame", "6.6.3").unwrap().unpatched.is_some());
}

#[test]
fn a_line_does_not_apply_to_releases_whose_code_is_known_to_differ() {
    // 5.10.162 has the code of 5.13, so the patches of 5.10.y apply; 5.12, which zeroes unpatched, differs.
    let series = load_for("zeroed", "5.15.3").unwrap();
    assert_eq!((series.borrowed_from, series.patches.len()), (Some(Line::new(5, 10)), 1));
    assert!(load_for("user-frame", "5.15.3").unwrap().unpatched.is_some());
}

#[test]
fn a_release_older_than_all_lines_is_refused() {
    let error = load_for("zeroed", "5.4.1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "series zeroed has no patches for 5.4.1; its lines are 5.10.y, 5.12.y, 6.1.y, 6.12.y, 6.18.y, 7.2.y"
    );
}

#[test]
fn an_unknown_series_is_refused_with_the_nearest_name_and_the_list() {
    let error = load_for("copy-segment", "6.1.187").unwrap_err();
    assert_eq!(error.to_string(), "unknown series \"copy-segment\"; did you mean copy-segments?");
    assert_eq!(error.exit(), Exit::Usage);
    assert_eq!(
        error.facts(),
        ["shipped series: copy-segments, einval-attach, einval-regs, hide-threads, user-frame, \
             user-segments, zeroed, none"]
    );
    let far = load_for("frobnicate", "6.1.187").unwrap_err();
    assert_eq!(far.to_string(), "unknown series \"frobnicate\"");
    assert!(matches!(load_for("./not-there", "6.1.187"), Err(Error::NotFound { .. })));
}

#[test]
fn a_series_that_does_not_exist_in_the_language_is_refused() {
    let error = load("zeroed", &"6.1.1".parse().unwrap(), Lang::Rust, &gcc_12()).unwrap_err();
    assert_eq!(error.to_string(), "series zeroed does not exist in Rust for 6.1.y");
}

#[test]
fn a_series_in_rust_is_switched_on_and_has_one_rust_file_for_all_lines() {
    let mut seen = 0;
    for name in shipped::names() {
        let mut files = Vec::new();
        for line in Line::SUPPORTED {
            let release = Release::new(line.major, line.minor, 200);
            let Ok(series) = load(&name, &release, Lang::Rust, &gcc_12()) else { continue };
            assert_eq!(series.switches, ["IO_THREAD_RUST"], "{name} on {line}");
            assert!(load(&name, &release, Lang::C, &gcc_12()).unwrap().switches.is_empty());
            let text: String =
                series.patches.iter().map(|patch| String::from_utf8_lossy(&patch.content)).collect();
            assert!(text.contains("\n+config IO_THREAD_RUST\n"), "{name} on {line}");
            let (_, file) = text.split_once("io_thread.rs\n@@ -0,0 ").expect("a new file in Rust");
            files.push(file.split("\ndiff --git").next().unwrap().to_owned());
        }
        seen += files.len();
        files.dedup();
        assert!(files.len() <= 1, "{name} has different Rust files on different lines");
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn none_is_the_unmodified_release() {
    let series = load_for(NONE, "6.1.187").unwrap();
    assert_eq!(series.in_order().count(), 0);
    assert_eq!(series.name, "none");
}

#[test]
fn build_fixes_come_first_and_only_if_release_and_compiler_need_them() {
    let fixes = |release: &str, toolchain: &Toolchain| {
        load("copy-segments", &release.parse().unwrap(), Lang::C, toolchain).unwrap().compat.len()
    };
    assert_eq!(fixes("5.12.9", &gcc_12()), 1);
    assert_eq!(fixes("5.12", &gcc_12()), 1);
    assert_eq!(fixes("5.12.9", &toolchain(Compiler::Gcc, "gcc 14.1.0")), 1);
    assert_eq!(fixes("5.12.9", &toolchain(Compiler::Gcc, "gcc 10.2.1")), 0);
    assert_eq!(fixes("5.12.9", &toolchain(Compiler::Clang, "clang 19.1.7")), 0);
    assert_eq!(fixes("5.10.262", &gcc_12()), 0);
    assert_eq!(fixes("6.1.187", &gcc_12()), 0);
    let series = load_for("copy-segments", "5.12.9").unwrap();
    assert!(series.in_order().next().unwrap().name.starts_with("patches/compat/"));
    assert!(matches!(load_for("compat", "5.12.9"), Err(Error::NotSelectable { .. })));
    assert_eq!(load_for(NONE, "5.12.9").unwrap().compat.len(), 1);
}

#[test]
fn a_build_fix_for_rustc_needs_a_kernel_with_rust_and_compares_two_numbers() {
    let fixes = |release: &str, rustc: Option<&str>| {
        let rust = rustc.map(|version| RustToolchain {
            rustc: "rustc".into(),
            rustc_version: version.into(),
            rustc_text: String::new(),
            library: "library".into(),
            bindgen: "bindgen".into(),
            bindgen_version: String::new(),
            libclang: "lib".into(),
            libclang_version: String::new(),
        });
        let toolchain = Toolchain { rust, ..gcc_12() };
        load("zeroed", &release.parse().unwrap(), Lang::C, &toolchain).unwrap().compat.len()
    };
    assert_eq!(fixes("6.18.15", Some("rustc 1.96.0")), 2);
    assert_eq!(fixes("6.18.15", Some("rustc 1.95.0")), 2);
    assert_eq!(fixes("6.18.15", Some("rustc 1.100.0-nightly")), 2);
    assert_eq!(fixes("6.18.15", Some("rustc 1.9.0")), 0);
    assert_eq!(fixes("6.18.15", Some("rustc 1.94.2")), 0);
    assert_eq!(fixes("6.18.15", None), 0);
    assert_eq!(fixes("6.12.43", Some("rustc 1.96.0")), 1);
    assert_eq!(fixes("7.2.8", Some("rustc 1.96.0")), 0);
}

#[test]
fn the_build_fixes_are_listed() {
    let listed = list().unwrap();
    let compat = listed.iter().find(|summary| summary.name == "compat").unwrap();
    assert!(!compat.selectable);
    let shown = show("compat").unwrap().variants;
    assert_eq!(shown[0].applies_to, "5.12 to before 5.17, gcc 12 and later");
    assert_eq!(shown[1].applies_to, "6.12 to before 7.0, rustc 1.95 and later");
}
