//! Real kernels, built from the trees of `KPATCH_BUILD_TEST_TREES`: minutes each.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Bench, trees};
use kpatch_build::build::{KernelBuild, build};
use kpatch_build::configure::{Place, configure};

fn kernel(bench: &Bench, series: &str, jobs: usize) -> KernelBuild {
    let mut plan = bench.plan(&["boot"], jobs);
    plan.localversion = format!("-{series}-boot");
    let tree = bench.patched_with(series);
    let config = configure(&bench.cx, &plan, &tree).unwrap();
    match build(&bench.cx, &plan, &tree, config) {
        Ok(kernel) => kernel,
        Err(error) => panic!("{error:?}\n{}", bench.log("build")),
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            assert!(!path.is_symlink(), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Puts `text` at the end of a source file, as a series would change it.
fn edit(bench: &Bench, file: &str, text: &str) -> Vec<u8> {
    let path = bench.source(file);
    let before = fs::read(&path).unwrap();
    fs::write(&path, [&before, text.as_bytes()].concat()).unwrap();
    before
}

#[test]
fn real_a_switched_tree_gives_the_image_of_a_clean_tree_elsewhere() {
    for source in trees().into_iter().take(1) {
        let switched = Bench::with_copy(&source);
        let (file, header) = ("arch/x86/kernel/process.c", "include/linux/io_uring.h");
        let text = "\nint kpatch_build_was_here = 1;\n";
        let (before, header_before) =
            (edit(&switched, file, text), edit(&switched, header, "\n\n/* longer */\n"));
        let edited = kernel(&switched, "edited", 2);
        assert!(edited.release.ends_with("-edited-boot"));
        assert!(fs::read_to_string(edited.system_map()).unwrap().contains("kpatch_build_was_here"));
        let (cold, _) = *switched.seen.objects().last().unwrap();

        fs::write(switched.source(file), before).unwrap();
        fs::write(switched.source(header), header_before).unwrap();
        let plain = kernel(&switched, "none", 2);
        let (warm, _) = *switched.seen.objects().last().unwrap();
        assert!(warm * 4 < cold, "{warm} of {cold} objects were made again");

        let clean = Bench::with_copy(&source);
        let reference = kernel(&clean, "none", 1);
        assert_ne!(plain.image_sha256, edited.image_sha256);
        assert_eq!(plain.image_sha256, reference.image_sha256);
        for ((name, left), (other, right)) in
            files(plain.entry.path()).into_iter().zip(files(reference.entry.path()))
        {
            assert_eq!(name, other);
            assert!(left == right, "{} differs", name.display());
        }
        let modules = plain.modules().join("lib/modules").join(&plain.release);
        assert!(modules.join("kernel/kernel/configs.ko").is_file());
        assert!(modules.join("modules.builtin").is_file());

        drop(plain);
        let plan = switched.plan(&["boot"], 2);
        let again = configure(&switched.cx, &plan, &switched.patched()).unwrap();
        assert!(matches!(again.at, Place::Finished(_)), "{again:?}");
    }
}
