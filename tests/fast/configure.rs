//! The configure stage with a fake kernel tree.

use std::fs;

use kpatch_build::base::error::Explain;
use kpatch_build::base::options::Lang;
use kpatch_build::base::store::Bucket;
use kpatch_build::kernel::KernelPlan;
use kpatch_build::kernel::kconfig::{
    self, BootClaims, Kconfig, check_boot_testable, check_release, check_signing,
};
use kpatch_build::kernel::series;
use kpatch_build::stages::configure::{ConfigState, Error, KernelConfig, configure};

use crate::support::fixtures::fake;
use crate::support::fixtures::stages::{Fixture, fake_rust, fake_toolchain};
use crate::support::keys::Keys;

fn plan(fixture: &Fixture, text: &str) -> KernelPlan {
    let mut plan = fixture.plan(&["boot"], 1);
    plan.toolchain = fake_toolchain();
    plan.kconfig = Kconfig::load(&[fixture.file("mine.config", text)]).unwrap();
    plan
}

fn run(fixture: &Fixture, plan: &KernelPlan) -> Result<KernelConfig, Error> {
    configure(&fixture.cx, plan, &fixture.patched())
}

#[test]
fn a_lost_option_fails_the_run_and_names_its_dependency() {
    let tree = fake::tree();
    fake::put(tree.path(), "lost", "FREEZER\n");
    let fixture = Fixture::new(tree.path());
    let error =
        run(&fixture, &plan(&fixture, "CONFIG_FREEZER=y\n# CONFIG_CGROUPS is not set\n")).unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    let text = error.to_string();
    assert!(
        text.contains("CONFIG_FREEZER=y from ") && text.contains("depends on CGROUPS, which is n by "),
        "{text}"
    );
}

#[test]
fn an_optional_option_may_vanish() {
    let tree = fake::tree();
    fake::put(tree.path(), "lost", "FREEZER\n");
    let fixture = Fixture::new(tree.path());
    run(&fixture, &plan(&fixture, "# kpatch-build: optional, for a test\nCONFIG_FREEZER=y\n")).unwrap();
    assert!(
        fixture.seen.notes().iter().any(|note| note.contains("CONFIG_FREEZER=y")),
        "{:?}",
        fixture.seen.notes()
    );
}

#[test]
fn every_base_gets_the_fragments_options() {
    for base in ["allnoconfig", "default"] {
        let tree = fake::tree();
        let fixture = Fixture::new(tree.path());
        let plan = plan(&fixture, &format!("# kpatch-build: base {base}\nCONFIG_CGROUPS=y\n"));
        let config = run(&fixture, &plan).unwrap();
        let text = fs::read_to_string(&config.config).unwrap();
        assert!(text.contains("CONFIG_CGROUPS=y\n") && text.contains("CONFIG_LOCALVERSION=\"\"\n"), "{text}");
        assert!(matches!(config.state, ConfigState::Pending(_)));
    }
}

#[test]
fn series_of_one_release_share_a_build_directory_and_keep_an_equal_configuration() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture, "CONFIG_CGROUPS=y\n");
    let one = configure(&fixture.cx, &plan, &fixture.patched_with("one")).unwrap();
    let time = fs::metadata(&one.config).unwrap().modified().unwrap();
    let (path, key) = (one.config.clone(), one.key.clone());
    drop(one);
    plan.localversion = "-two".to_owned();
    let two = configure(&fixture.cx, &plan, &fixture.patched_with("two")).unwrap();
    assert_eq!(two.config, path);
    assert_ne!(two.key, key);
    assert_eq!(fs::metadata(&two.config).unwrap().modified().unwrap(), time);
}

#[test]
fn another_kconfig_or_compiler_gets_another_build_directory_and_other_jobs_do_not() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture, "CONFIG_CGROUPS=y\n");
    run(&fixture, &plan).unwrap();
    plan.jobs = 7;
    run(&fixture, &plan).unwrap();
    assert_eq!(fixture.cx.store.entries(Bucket::Builds).unwrap().len(), 1);
    plan.toolchain.cc_text = "gcc 13.1.0".to_owned();
    run(&fixture, &plan).unwrap();
    plan.kconfig = Kconfig::load(&[fixture.file("other.config", "CONFIG_MODULES=y\n")]).unwrap();
    run(&fixture, &plan).unwrap();
    assert_eq!(fixture.cx.store.entries(Bucket::Builds).unwrap().len(), 3);
}

#[test]
fn the_local_version_of_a_fragment_is_overridden_with_a_note() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    run(&fixture, &plan(&fixture, "CONFIG_LOCALVERSION=\"-mine\"\n")).unwrap();
    assert!(fixture.seen.notes().iter().any(|note| note.contains("-mine")), "{:?}", fixture.seen.notes());
}

#[test]
fn a_kernel_that_cannot_be_boot_tested_is_refused_by_its_fragments_or_by_its_configuration() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let mut excluded = plan(&fixture, "# CONFIG_SERIAL_8250_CONSOLE is not set\n");
    excluded.boot_tested = true;
    let error = check_boot_testable(&excluded.kconfig, None).unwrap_err();
    assert_eq!(error.exit() as u8, 2);
    assert!(error.next_step().unwrap().contains("--no-boot"));

    let mut incomplete = plan(&fixture, "CONFIG_CGROUPS=y\n");
    incomplete.boot_tested = true;
    check_boot_testable(&incomplete.kconfig, None).unwrap();
    let error = run(&fixture, &incomplete).unwrap_err();
    assert!(matches!(error, Error::Kconfig(kconfig::Error::NotBootTestable { .. })), "{error:?}");
    assert!(!fixture.log("configure").contains("bzImage"), "make builds nothing");
}

#[test]
fn the_shipped_bases_meet_what_the_claims_of_each_series_need() {
    for summary in series::list().unwrap().iter().filter(|summary| summary.selectable) {
        let claims = series::claims(&summary.name).unwrap();
        for base in ["boot", "cloud"] {
            let kconfig = Kconfig::load(&[base.to_owned()]).unwrap();
            for line in summary.lines.keys() {
                let claims = BootClaims { series: &claims, line: *line };
                check_boot_testable(&kconfig, Some(claims)).unwrap();
            }
        }
    }
}

#[test]
fn claims_about_core_dumps_need_a_kernel_that_dumps_cores() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let needs = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_SERIAL_8250_CONSOLE=y\n\
                 CONFIG_SERIAL_8250_NR_UARTS=4\nCONFIG_SERIAL_8250_RUNTIME_UARTS=4\nCONFIG_PRINTK=y\n\
                 CONFIG_PROC_FS=y\nCONFIG_IO_URING=y\nCONFIG_CGROUPS=y\nCONFIG_CGROUP_FREEZER=y\n";
    let mut plan = plan(&fixture, needs);
    plan.boot_tested = true;
    run(&fixture, &plan).unwrap();
    plan.series.claims = series::claims("copy-segments").unwrap();
    let error = run(&fixture, &plan).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this kconfig cannot be boot-tested: CONFIG_COREDUMP is n, but the series makes claims about core dumps"
    );
    assert_eq!(error.exit() as u8, 2);
}

#[test]
fn a_too_long_kernel_release_is_refused() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture, "CONFIG_CGROUPS=y\n");
    plan.localversion = format!("-{}", "x".repeat(58));
    check_release(plan.kernel_release()).unwrap();
    plan.localversion.push('x');
    assert_eq!(check_release(plan.kernel_release()).unwrap_err().exit() as u8, 2);
}

#[test]
fn a_missing_program_that_kconfig_needs_is_named() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    fake::put(tree.path(), "Makefile", "olddefconfig:\n\t@echo x | flex-is-not-here -o x\n");
    let error = run(&fixture, &plan(&fixture, "CONFIG_CGROUPS=y\n")).unwrap_err();
    assert_eq!(error.exit() as u8, 69);
    assert_eq!(error.to_string(), "flex-is-not-here is not installed");
}

#[test]
fn a_too_old_compiler_is_reported_with_both_versions() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let script = "olddefconfig:\n\t@echo '***'; echo '*** C compiler is too old.'\n\
                  \t@echo '***   Your Clang version:    14.0.6'\n\
                  \t@echo '***   Minimum Clang version: 15.0.0'; false\n";
    fake::put(tree.path(), "Makefile", script);
    let error = run(&fixture, &plan(&fixture, "CONFIG_CGROUPS=y\n")).unwrap_err();
    assert_eq!(error.exit() as u8, 69);
    assert_eq!(error.to_string(), "the C compiler is too old for this release");
    assert_eq!(error.facts(), ["Your Clang version:    14.0.6", "Minimum Clang version: 15.0.0"]);
}

#[test]
fn a_kconfig_that_fails_has_a_log_and_its_last_lines() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    fake::put(tree.path(), "Makefile", "olddefconfig:\n\t@echo Kconfig:3: syntax error; false\n");
    let error = run(&fixture, &plan(&fixture, "CONFIG_CGROUPS=y\n")).unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    let (log, tail) = error.log_and_tail();
    assert!(fs::read_to_string(log.unwrap()).unwrap().contains("syntax error"));
    assert!(tail.iter().any(|line| line.contains("syntax error")), "{tail:?}");
}

fn rust_plan(fixture: &Fixture) -> KernelPlan {
    let mut plan = plan(fixture, "CONFIG_MODULES=y\n");
    plan.toolchain.rust = Some(fake_rust());
    plan.lang = Lang::Rust;
    plan.kconfig =
        Kconfig::load_for(Lang::Rust, false, &[fixture.file("mine.config", "CONFIG_MODULES=y\n")]).unwrap();
    plan
}

#[test]
fn the_release_checks_the_rust_tools() {
    let tree = fake::rust_tree();
    let fixture = Fixture::new(tree.path());
    run(&fixture, &rust_plan(&fixture)).unwrap();
    let log = fixture.log("configure");
    let given = "given: RUSTC=/opt/rust/bin/rustc HOSTRUSTC=/opt/rust/bin/rustc BINDGEN=/opt/cargo/bindgen \
                 RUST_LIB_SRC=/opt/rust/library";
    assert!(log.contains(given), "{log}");
    assert!(log.contains("also: LIBCLANG_PATH=/opt/llvm/lib KRUSTFLAGS="), "{log}");
    assert!(log.contains("--remap-path-prefix=/opt/rust/library=/usr/src/rust-library"), "{log}");
    assert!(log.find("given:") < log.find("olddefconfig"), "{log}");
}

#[test]
fn the_reason_for_rejecting_the_rust_tools_is_reported() {
    let tree = fake::rust_tree();
    let words = "***\n*** Rust compiler 'rustc' is too old.\n***   Your version:    1.63.0\n\
                 ***   Minimum version: 1.78.0\n***\n";
    fake::put(tree.path(), "norust", words);
    let fixture = Fixture::new(tree.path());
    let error = run(&fixture, &rust_plan(&fixture)).unwrap_err();
    assert_eq!(error.exit() as u8, 69);
    assert_eq!(error.to_string(), "6.1.5 does not build with the Rust tools of this host");
    let reason = ["Rust compiler 'rustc' is too old.", "Your version:    1.63.0", "Minimum version: 1.78.0"];
    assert_eq!(error.facts(), reason);
    assert!(error.next_step().is_some());
}

#[test]
fn without_rust_the_tools_are_neither_checked_nor_visible() {
    let tree = fake::rust_tree();
    fake::put(tree.path(), "norust", "*** no\n");
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture, "CONFIG_MODULES=y\n");
    plan.toolchain.rust = Some(fake_rust());
    run(&fixture, &plan).unwrap();
    let log = fixture.log("configure");
    assert!(log.contains("RUSTC=kpatch-build-unused BINDGEN=kpatch-build-unused"), "{log}");
    assert!(!log.contains("/opt/rust"), "{log}");
}

#[test]
fn rust_in_a_whole_configuration_is_dropped_without_a_look_at_its_tools() {
    let tree = fake::rust_tree();
    fake::put(tree.path(), "norust", "*** no\n");
    fake::put(tree.path(), "lost", "CONFIG_RUST=\n");
    let fixture = Fixture::new(tree.path());
    let mut plan = plan(&fixture, "# Automatically generated file; DO NOT EDIT.\nCONFIG_RUST=y\n");
    plan.toolchain.rust = Some(fake_rust());
    let config = run(&fixture, &plan).unwrap();
    assert_eq!(config.dropped.iter().map(|lost| lost.symbol.as_str()).collect::<Vec<_>>(), ["RUST"]);
    assert!(fixture.log("configure").contains("RUSTC=kpatch-build-unused"), "{}", fixture.log("configure"));
    plan.kconfig.strict = true;
    let error = run(&fixture, &plan).unwrap_err();
    assert!(matches!(error, Error::RustUnavailable { .. }), "{error}");
}

#[test]
fn a_release_without_rust_is_the_reason_for_a_lost_option() {
    let tree = fake::tree();
    fake::put(tree.path(), "Kconfig", "config MODULES\n\tbool \"modules\"\n");
    fake::put(tree.path(), "lost", "RUST\n");
    let fixture = Fixture::new(tree.path());
    let error = run(&fixture, &rust_plan(&fixture)).unwrap_err();
    assert!(error.to_string().contains("CONFIG_RUST=y from rust, line"), "{error}");
    assert!(error.to_string().contains("does not exist in this release"), "{error}");
}

#[test]
fn a_lost_switch_of_the_series_fails_the_run_with_its_unmet_dependency() {
    let tree = fake::rust_tree();
    fake::put(tree.path(), "lost", "IO_RUST\n");
    let fixture = Fixture::new(tree.path());
    let mut plan = rust_plan(&fixture);
    let text = "# CONFIG_MODULES is not set\n";
    plan.kconfig = Kconfig::load_for(Lang::Rust, false, &[fixture.file("mine.config", text)])
        .unwrap()
        .with_switches(&["IO_RUST".to_owned()], "mine");
    let error = run(&fixture, &plan).unwrap_err();
    assert_eq!(error.exit() as u8, 3);
    let text = error.to_string();
    assert!(
        text.starts_with(
            "CONFIG_IO_RUST=y from the series mine is not set: it depends on MODULES, which is n"
        ),
        "{text}"
    );
}

#[test]
fn each_version_of_the_rust_tools_gets_another_configuration() {
    let tree = fake::rust_tree();
    let fixture = Fixture::new(tree.path());
    let plan = rust_plan(&fixture);
    let mut keys = vec![run(&fixture, &plan).unwrap().key];
    let changes: [fn(&mut kpatch_build::kernel::toolchain::RustToolchain); 3] = [
        |rust| rust.rustc_text = "rustc 1.96.0 (def 2026-01-02)".to_owned(),
        |rust| rust.bindgen_version = "bindgen 0.72.2".to_owned(),
        |rust| rust.libclang_version = "clang 20.1.0".to_owned(),
    ];
    for change in changes {
        let mut plan = plan.clone();
        change(plan.toolchain.rust.as_mut().unwrap());
        let key = run(&fixture, &plan).unwrap().key;
        assert!(!keys.contains(&key));
        keys.push(key);
    }
    let mut moved = plan.clone();
    moved.toolchain.rust.as_mut().unwrap().rustc = "/usr/bin/rustc".into();
    assert_eq!(run(&fixture, &moved).unwrap().key, keys[0], "the path of a program does not matter");
}

const DISTRIBUTION: &str = "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_ALL=y\n\
     CONFIG_MODULE_SIG_KEY=\"certs/signing_key.pem\"\nCONFIG_MODULE_COMPRESS_XZ=y\n";

#[test]
fn the_build_generates_no_key_for_modules() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let config = run(&fixture, &plan(&fixture, DISTRIBUTION)).unwrap();
    let text = fs::read_to_string(&config.config).unwrap();
    for line in [
        "CONFIG_MODULE_SIG=y\n",
        "# CONFIG_MODULE_SIG_ALL is not set\n",
        "CONFIG_MODULE_SIG_KEY=\"\"\n",
        "CONFIG_MODULE_COMPRESS_XZ=y\n",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let reported = |note: &String| {
        note.contains("MODULE_SIG_ALL") && note.contains("only --secure-boot-key signs modules")
    };
    assert!(fixture.seen.notes().iter().any(reported), "{:?}", fixture.seen.notes());
    assert!(!text.contains("SYSTEM_TRUSTED_KEYS"), "{text}");
}

#[test]
fn a_signed_kernel_trusts_the_certificate_and_the_build_never_sees_the_key() {
    let tree = fake::tree();
    let fixture = Fixture::new(tree.path());
    let keys = Keys::new("My kernels");
    let mut plan = plan(&fixture, DISTRIBUTION);
    let unsigned = run(&fixture, &plan).unwrap().key;
    plan.keys.secure_boot = Some(keys.files());
    let config = run(&fixture, &plan).unwrap();
    let text = fs::read_to_string(&config.config).unwrap();
    assert!(text.contains("CONFIG_SYSTEM_TRUSTED_KEYS=\"certs/kpatch-build.pem\"\n"), "{text}");
    assert!(text.contains("CONFIG_MODULE_SIG_KEY=\"\"\n"), "{text}");
    assert!(text.contains("# CONFIG_MODULE_COMPRESS_XZ is not set\n"), "{text}");
    let ConfigState::Pending(dir) = &config.state else { panic!("nothing is built yet") };
    let certs = dir.path().join("certs");
    assert_eq!(fs::read(certs.join("kpatch-build.pem")).unwrap(), fs::read(&keys.cert).unwrap());
    assert_eq!(fs::read_dir(certs).unwrap().count(), 1);
    plan.keys.secure_boot = Some(Keys::new("My kernels").files());
    let other = run(&fixture, &plan).unwrap().key;
    assert!(config.key != unsigned && config.key != other && other != unsigned);
}

#[test]
fn a_kernel_that_would_refuse_its_own_modules_is_refused() {
    let check = |text: &str, signed| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.config");
        fs::write(&path, text).unwrap();
        check_signing(&Kconfig::load(&[path.to_string_lossy().into_owned()]).unwrap(), signed)
    };
    for symbol in ["MODULE_SIG_FORCE", "LOCK_DOWN_KERNEL_FORCE_INTEGRITY"] {
        let text = format!("CONFIG_MODULES=y\nCONFIG_{symbol}=y\n");
        let error = check(&text, false).unwrap_err();
        assert!(error.to_string().contains(symbol) && error.exit() as u8 == 2, "{error}");
        assert!(error.next_step().unwrap().contains("--secure-boot-key"));
        check(&text, true).unwrap();
        check(&format!("CONFIG_{symbol}=y\n# CONFIG_MODULES is not set\n"), false).unwrap();
    }
}
