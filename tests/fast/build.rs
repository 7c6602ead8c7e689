//! The build stage with a fake kernel tree.

use std::fs;
use std::time::{Duration, Instant};

use kpatch_build::base::error::Explain;
use kpatch_build::base::options::Timestamp;
use kpatch_build::base::store::Bucket;
use kpatch_build::kernel::KernelPlan;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::build::{Error, KernelBuild, build};
use kpatch_build::stages::configure::configure;

use crate::support::fixtures::fake;
use crate::support::fixtures::stages::{Fixture, fake_toolchain};

fn plan(fixture: &Fixture) -> KernelPlan {
    let mut plan = fixture.plan(&["boot"], 1);
    plan.toolchain = fake_toolchain();
    let text = "# kpatch-build: objects 2\nCONFIG_MODULES=y\n";
    plan.kconfig = Kconfig::load(&[fixture.file("mine.config", text)]).unwrap();
    plan.localversion = "-one".to_owned();
    plan
}

fn run(fixture: &Fixture, plan: &KernelPlan, series: &str) -> Result<KernelBuild, Error> {
    let tree = fixture.patched_with(series);
    let config = configure(&fixture.cx, plan, &tree).unwrap();
    build(&fixture.cx, plan, &tree, config)
}

#[test]
fn a_finished_kernel_has_image_map_configuration_and_modules() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let kernel = run(&fixture, &plan(&fixture), "one").unwrap();
    assert_eq!(kernel.release, "6.1.5-one");
    for path in [kernel.image(), kernel.system_map(), kernel.config()] {
        assert!(path.is_file(), "{}", path.display());
    }
    let modules = kernel.modules().join("lib/modules/6.1.5-one");
    assert_eq!(fs::read_to_string(modules.join("modules.order")).unwrap(), "true\n");
    assert!(!modules.join("build").is_symlink());
    assert!(!kernel.cached);
}

#[test]
fn the_same_kernel_is_built_once_and_another_revision_again() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture);
    let image = run(&fixture, &plan, "one").unwrap().image_sha256;
    let log = fixture.log("build");
    let again = run(&fixture, &plan, "one").unwrap();
    assert!(again.cached);
    assert_eq!((again.image_sha256, fixture.log("build")), (image.clone(), log));
    plan.revision = 2;
    let rebuilt = run(&fixture, &plan, "one").unwrap();
    assert!(!rebuilt.cached);
    assert_ne!(rebuilt.image_sha256, image);
}

#[test]
fn user_host_version_and_time_come_from_the_plan() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture);
    plan.revision = 3;
    plan.timestamp = Timestamp::Given(1_619_390_204);
    let kernel = run(&fixture, &plan, "one").unwrap();
    let image = fs::read_to_string(kernel.image()).unwrap();
    assert_eq!(
        image,
        "kernel -one\nKBUILD_BUILD_HOST=localhost\nKBUILD_BUILD_TIMESTAMP=Sun Apr 25 22:36:44 UTC 2021\n\
         KBUILD_BUILD_USER=kpatch-build\nKBUILD_BUILD_VERSION=3\n"
    );
    assert_eq!(kernel.timestamp, 1_619_390_204);
}

#[test]
fn the_kconfig_has_the_expected_number_of_objects() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    run(&fixture, &plan(&fixture), "one").unwrap();
    assert_eq!(fixture.seen.objects(), [(1, Some(2)), (2, Some(2))]);
}

#[test]
fn a_compile_error_is_reported_with_file_and_line_and_leaves_no_result() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    fake::put(tree.path(), "broken", "");
    let error = run(&fixture, &plan(&fixture), "one").unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    let Error::Compile { first, log, .. } = &error else { panic!("{error:?}") };
    assert_eq!(first.line, Some(7));
    assert_eq!(first.message, "no such thing");
    assert!(fs::read_to_string(log).unwrap().contains("no such thing"));
    assert!(fixture.cx.store.entries(Bucket::Results).unwrap().is_empty());

    fs::remove_file(tree.path().join("broken")).unwrap();
    run(&fixture, &plan(&fixture), "one").unwrap();
}

#[test]
fn the_localversion_of_the_tree_is_part_of_the_release() {
    let tree = fake::tree();
    fake::put(tree.path(), "localversion", "-rt1");
    let fixture = Fixture::new(tree.path());
    for cached in [false, true] {
        let kernel = run(&fixture, &plan(&fixture), "one").unwrap();
        assert_eq!((kernel.release.as_str(), kernel.cached), ("6.1.5-rt1-one", cached));
        assert!(kernel.modules().join("lib/modules/6.1.5-rt1-one").is_dir());
    }
}

#[test]
fn a_tree_whose_localversion_no_package_can_have_is_refused() {
    let tree = fake::tree();
    fake::put(tree.path(), "localversion", "-RT1");
    let fixture = Fixture::new(tree.path());
    let error = run(&fixture, &plan(&fixture), "one").unwrap_err();
    assert!(matches!(&error, Error::KernelRelease { found, .. } if found == "6.1.5-RT1-one"), "{error:?}");
    assert!(error.next_step().unwrap().contains("lower-case"));

    fake::put(tree.path(), "localversion", &format!("-{}", "x".repeat(60)));
    let fixture = Fixture::new(tree.path());
    let error = run(&fixture, &plan(&fixture), "one").unwrap_err();
    assert!(error.to_string().contains("64") || error.to_string().contains("long"), "{error}");
}

#[test]
fn a_stopped_build_leaves_no_result_and_the_next_one_removes_half_written_files() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    fake::put(tree.path(), "hang", "");
    let stop = fixture.cx.stop.clone();
    let builds = fixture.cx.store.root().join("builds");
    let half = move || {
        fs::read_dir(&builds)
            .unwrap()
            .flatten()
            .map(|entry| entry.path().join("half.o"))
            .find(|path| path.exists())
    };
    let waiter = std::thread::spawn(move || {
        let started = Instant::now();
        while half().is_none() {
            assert!(started.elapsed() < Duration::from_secs(20), "the build did not start the object");
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.set();
    });
    let error = run(&fixture, &plan(&fixture), "one").unwrap_err();
    waiter.join().unwrap();
    assert!(matches!(error, Error::Interrupted(_)), "{error:?}");
    assert_eq!(error.exit() as u8, 130);
    assert!(fixture.cx.store.entries(Bucket::Results).unwrap().is_empty());

    fs::remove_file(tree.path().join("hang")).unwrap();
    let half = fixture.build_dir().join("half.o");
    assert!(half.exists());
    let next = fixture.again();
    run(&next, &plan(&next), "one").unwrap();
    assert!(!half.exists());
}
