//! Compilers are known by what they say of themselves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kpatch_build::error::Explain;
use kpatch_build::plan::Compiler;
use kpatch_build::process::set_supervisor;
use kpatch_build::stop::Stop;
use kpatch_build::toolchain::{Error, discover};

fn program(dir: &Path, name: &str, script: &str) -> PathBuf {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_clang_is_taken_with_the_linker_beside_it() {
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
    assert_eq!(toolchain.cc_major(), Some(16));
}

#[test]
fn what_is_no_compiler_is_refused_with_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let cc = program(dir.path(), "cc", "echo 'Tiny C 1.0'");
    let error = discover(cc.to_str().unwrap(), &Stop::default()).unwrap_err();
    assert_eq!(error.exit() as u8, 2);
    assert!(error.facts()[0].contains("Tiny C 1.0"), "{error:?}");
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let error = discover("no-such-compiler", &Stop::default()).unwrap_err();
    assert_eq!(error.exit() as u8, 69);
    assert!(matches!(&error, Error::Missing { program } if program == "no-such-compiler"));
}

#[test]
fn a_compiler_that_fails_is_the_hosts_lack() {
    let dir = tempfile::tempdir().unwrap();
    let cc = program(dir.path(), "gcc", "echo broken >&2; exit 1");
    assert_eq!(discover(cc.to_str().unwrap(), &Stop::default()).unwrap_err().exit() as u8, 69);
}

#[test]
fn real_gcc_and_its_linker_have_versions() {
    set_supervisor(env!("CARGO_BIN_EXE_kpatch-build"));
    match discover("gcc", &Stop::default()) {
        Ok(toolchain) => {
            assert_eq!(toolchain.compiler, Compiler::Gcc);
            assert!(toolchain.cc.is_absolute());
            assert!(toolchain.cc_major().is_some_and(|major| major >= 5), "{toolchain:?}");
            let number = toolchain.ld_version.strip_prefix("GNU ld ").unwrap();
            assert!(number.starts_with(|c: char| c.is_ascii_digit()), "{toolchain:?}");
        }
        Err(error) if std::env::var_os("CI").is_some_and(|value| value == "true") => panic!("{error:?}"),
        Err(error) => eprintln!("passed over: {error}"),
    }
}
