//! The toolchain is recognised by the versions that its programs print.

use std::fs;
use std::path::{Path, PathBuf};

use kpatch_build::base::error::Explain;
use kpatch_build::base::process::set_supervisor;
use kpatch_build::base::stop::Stop;
use kpatch_build::kernel::toolchain::{Compiler, Error, discover};

use crate::support::fixtures::write_program;
use crate::support::need::present;

fn program(dir: &Path, name: &str, script: &str) -> PathBuf {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    let path = dir.join(name);
    write_program(&path, script);
    path
}

#[test]
fn a_clang_is_used_with_the_linker_in_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let cc = program(dir.path(), "clang-16", "echo 'Debian clang version 16.0.6 (15~deb12u1)'");
    program(dir.path(), "ld.lld-16", "echo 'Debian LLD 16.0.6 (compatible with GNU linkers)'");
    let toolchain = discover(cc.to_str().unwrap(), &Stop::default()).unwrap();
    assert_eq!(toolchain.compiler, Compiler::Clang);
    assert_eq!(toolchain.cc, cc);
    assert_eq!(
        (toolchain.cc_version.as_str(), toolchain.ld_version.as_str()),
        ("clang 16.0.6", "LLD 16.0.6")
    );
}

#[test]
fn an_unknown_compiler_is_refused_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let cc = program(dir.path(), "cc", "echo 'Tiny C 1.0'");
    let error = discover(cc.to_str().unwrap(), &Stop::default()).unwrap_err();
    assert_eq!(error.exit() as u8, 2);
    assert!(error.facts()[0].contains("Tiny C 1.0"), "{error:?}");
}

#[test]
fn a_missing_compiler_is_named() {
    let error = discover("no-such-compiler", &Stop::default()).unwrap_err();
    assert_eq!(error.exit() as u8, 69);
    assert!(matches!(&error, Error::Missing { program } if program == "no-such-compiler"));
}

#[test]
fn a_failing_compiler_exits_with_69() {
    let dir = tempfile::tempdir().unwrap();
    let cc = program(dir.path(), "gcc", "echo broken >&2; exit 1");
    assert_eq!(discover(cc.to_str().unwrap(), &Stop::default()).unwrap_err().exit() as u8, 69);
}

#[test]
fn a_compiler_that_is_killed_is_not_taken_for_another_program() {
    let dir = tempfile::tempdir().unwrap();
    let script = "[ $1 = --version ] || kill -9 $$; echo 'gcc (Test) 12.2.0'";
    let error = discover(program(dir.path(), "gcc", script).to_str().unwrap(), &Stop::default()).unwrap_err();
    assert!(matches!(error, Error::Run { .. }) && error.exit() as u8 == 69, "{error:?}");
}

#[test]
fn real_gcc_and_its_linker_have_versions() {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    match discover("gcc", &Stop::default()) {
        Ok(toolchain) => {
            assert_eq!(toolchain.compiler, Compiler::Gcc);
            assert!(toolchain.cc.is_absolute());
            let number = toolchain.cc_version.strip_prefix("gcc ").unwrap();
            assert!(number.starts_with(|c: char| c.is_ascii_digit()), "{toolchain:?}");
            let number = toolchain.ld_version.strip_prefix("GNU ld ").unwrap();
            assert!(number.starts_with(|c: char| c.is_ascii_digit()), "{toolchain:?}");
        }
        Err(error) => _ = present(&format!("gcc ({error})"), false),
    }
}

mod rust {
    use super::*;
    use kpatch_build::kernel::toolchain::rust::{SearchPaths, bindgen, discover, libclang, rustc};

    /// A fake host: `rustup` has no library sources, `system` has everything that Rust needs.
    struct Host(tempfile::TempDir);

    impl Host {
        fn new() -> Host {
            let host = Host(tempfile::tempdir().unwrap());
            for dir in ["rustup/bin", "system/bin", "cargo", "llvm"] {
                fs::create_dir_all(host.path(dir)).unwrap();
            }
            host
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn file(&self, name: &str) {
            fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            fs::write(self.path(name), "").unwrap();
        }

        fn rustc(&self, prefix: &str, version: &str) {
            let sysroot = self.path(prefix);
            let script = format!(
                "case $1 in --version) echo 'rustc {version} (abc 2026-01-01)';; *) echo {};; esac",
                sysroot.display()
            );
            program(&sysroot.join("bin"), "rustc", &script);
        }

        fn sources_of(&self, prefix: &str) {
            self.file(&format!("{prefix}/lib/rustlib/src/rust/library/core/src/lib.rs"));
        }

        /// Writes a bindgen that prints `version`, and for any header the output of `of_header`.
        fn bindgen(&self, version: &str, of_header: &str) {
            let script = format!("case $1 in --version) echo 'bindgen {version}';; *) {of_header};; esac");
            program(&self.path("cargo"), "bindgen", &script);
        }

        fn search_paths(&self) -> SearchPaths {
            SearchPaths {
                programs: ["none", "rustup/bin", "system/bin", "cargo"].map(|name| self.path(name)).into(),
                libraries: ["none", "system/bin", "llvm"].map(|name| self.path(name)).into(),
            }
        }

        /// Returns a host with everything.
        fn complete() -> Host {
            let host = Host::new();
            host.rustc("rustup", "1.99.0");
            host.rustc("system", "1.96.0");
            host.sources_of("system");
            let output = "echo \"version.h:1:9: warning: clang version 19.1.7 (3) in $LIBCLANG_PATH\" >&2";
            host.bindgen("0.72.1", output);
            host.file("llvm/libclang-cpp.so.19");
            host.file("llvm/libclang-19.so.19");
            host
        }
    }

    #[test]
    fn the_first_rustc_with_library_sources_is_used() {
        let host = Host::complete();
        let found = discover(&host.search_paths(), &Stop::default()).unwrap();
        assert_eq!(found.rustc, host.path("system/bin/rustc"));
        assert_eq!(found.library, host.path("system/lib/rustlib/src/rust/library"));
        assert_eq!(found.rustc_version, "rustc 1.96.0");
        assert_eq!(found.rustc_text, "rustc 1.96.0 (abc 2026-01-01)");
        assert_eq!(
            (found.bindgen, found.bindgen_version),
            (host.path("cargo/bindgen"), "bindgen 0.72.1".into())
        );
        assert_eq!((found.libclang, found.libclang_version), (host.path("llvm"), "clang 19.1.7".into()));
    }

    #[test]
    fn the_compiler_behind_a_rustup_proxy_is_used() {
        let host = Host::complete();
        // The proxy of rustup and its compiler are in different directories.
        let real = host.path("system/bin/rustc");
        program(&host.path("rustup/bin"), "rustc", &format!("exec {} \"$@\"", real.display()));
        assert_eq!(rustc(&host.search_paths(), &Stop::default()).unwrap().path, real);
    }

    #[test]
    fn every_unusable_rustc_is_named_with_the_reason() {
        let host = Host::new();
        host.rustc("rustup", "1.99.0");
        host.rustc("system", "1.63.0");
        host.sources_of("system");
        let error = rustc(&host.search_paths(), &Stop::default()).unwrap_err();
        assert_eq!(error.exit() as u8, 69);
        assert_eq!(error.next_step().unwrap(), "run kpatch-build doctor --lang rust");
        let facts = error.facts();
        assert_eq!(facts.len(), 2, "{facts:?}");
        assert!(
            facts[0].contains("rustup/bin/rustc") && facts[0].contains("library is missing"),
            "{facts:?}"
        );
        assert!(facts[1].contains("system/bin/rustc: version 1.63.0 is older than 1.78.0"), "{facts:?}");
    }

    #[test]
    fn a_bindgen_that_is_too_old_or_broken_is_rejected() {
        let host = Host::complete();
        for (version, reason) in [("0.60.1", "older than 0.65.1"), ("of late", "its --version prints")] {
            host.bindgen(version, "true");
            let error = bindgen(&host.search_paths(), &Stop::default()).unwrap_err();
            assert_eq!(error.to_string(), "cannot find bindgen 0.65.1 or newer");
            assert!(error.facts()[0].contains(reason), "{:?}", error.facts());
        }
    }

    #[test]
    fn a_libclang_has_the_c_interface_and_bindgen_can_load_it() {
        let host = Host::complete();
        fs::remove_file(host.path("llvm/libclang-19.so.19")).unwrap();
        let error = libclang(&host.search_paths()).unwrap_err();
        assert!(error.facts().iter().any(|fact| fact.ends_with("/llvm")), "{:?}", error.facts());

        host.file("llvm/libclang.so.1");
        host.bindgen("0.72.1", "echo 'Unable to find libclang' >&2; exit 1");
        let error = discover(&host.search_paths(), &Stop::default()).unwrap_err();
        assert_eq!(error.exit() as u8, 69);
        assert_eq!(error.facts(), ["bindgen printed: Unable to find libclang"]);
    }
}
