//! A real kernel, built from a switched tree and from a clean one.

use std::fs;
use std::path::{Path, PathBuf};

use kpatch_build::kernel::KernelPlan;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::build::{KernelBuild, build};
use kpatch_build::stages::configure::{ConfigState, configure};

use crate::support::fixtures::stages::Fixture;
use crate::support::kernel;
use crate::support::tool::can_boot;

/// The smallest kernel with a module, 32-bit emulation and io threads.
const SMALL: &str = "# kpatch-build: base allnoconfig\nCONFIG_64BIT=y\nCONFIG_SMP=y\nCONFIG_EXPERT=y\n\
                     CONFIG_PRINTK=y\nCONFIG_BUG=y\nCONFIG_IO_URING=y\nCONFIG_IA32_EMULATION=y\n\
                     CONFIG_KALLSYMS=y\nCONFIG_MODULES=y\nCONFIG_IKCONFIG=m\n";

fn small(fixture: &Fixture, series: &str, jobs: usize) -> KernelPlan {
    let mut plan = fixture.plan(&["boot"], jobs);
    plan.kconfig = Kconfig::load(&[fixture.file("small.config", SMALL)]).unwrap();
    plan.localversion = format!("-{series}-small");
    plan
}

fn kernel(fixture: &Fixture, series: &str, jobs: usize) -> KernelBuild {
    let plan = small(fixture, series, jobs);
    let tree = fixture.patched_with(series);
    let config = configure(&fixture.cx, &plan, &tree).unwrap();
    match build(&fixture.cx, &plan, &tree, config) {
        Ok(kernel) => kernel,
        Err(error) => panic!("{error:?}\n{}", fixture.log("build")),
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            assert!(!path.is_symlink(), "{}", path.display());
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push((path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Appends `text` to a source file, as a series might. Returns the previous content.
fn edit(fixture: &Fixture, file: &str, text: &str) -> Vec<u8> {
    let path = fixture.source(file);
    let before = fs::read(&path).unwrap();
    fs::write(&path, [&before, text.as_bytes()].concat()).unwrap();
    before
}

#[test]
fn real_a_switched_tree_gives_the_same_image_as_a_clean_tree() {
    if !can_boot() {
        return;
    }
    for source in kernel::trees().into_iter().take(1) {
        let switched = Fixture::with_copy(&source);
        let (file, header) = ("arch/x86/kernel/process.c", "include/linux/io_uring.h");
        let text = "\nint kpatch_build_was_here = 1;\n";
        let (before, header_before) =
            (edit(&switched, file, text), edit(&switched, header, "\n\n/* longer */\n"));
        let edited = kernel(&switched, "edited", 2);
        assert!(edited.release.ends_with("-edited-small"));
        assert!(fs::read_to_string(edited.system_map()).unwrap().contains("kpatch_build_was_here"));
        let (cold, _) = *switched.seen.objects().last().unwrap();

        fs::write(switched.source(file), before).unwrap();
        fs::write(switched.source(header), header_before).unwrap();
        let plain = kernel(&switched, "none", 2);
        let (warm, _) = *switched.seen.objects().last().unwrap();
        assert!(warm * 4 < cold, "{warm} of {cold} objects were rebuilt");

        let clean = Fixture::with_copy(&source);
        let reference = kernel(&clean, "none", 3);
        assert_ne!(plain.image_sha256, edited.image_sha256);
        assert_eq!(plain.image_sha256, reference.image_sha256);
        let (actual, expected) = (files(plain.entry.path()), files(reference.entry.path()));
        assert_eq!(actual.len(), expected.len());
        for ((name, left), (other, right)) in actual.into_iter().zip(expected) {
            assert_eq!(name, other);
            assert!(left == right, "{} differs", name.display());
        }
        let modules = plain.modules().join("lib/modules").join(&plain.release);
        assert!(modules.join("kernel/kernel/configs.ko").is_file());
        assert!(modules.join("modules.builtin").is_file());

        drop(plain);
        let plan = small(&switched, "none", 2);
        let again = configure(&switched.cx, &plan, &switched.patched()).unwrap();
        assert!(matches!(again.state, ConfigState::Built(_)), "{again:?}");
    }
}
