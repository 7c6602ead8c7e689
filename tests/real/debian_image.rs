//! The image of Debian's own configuration, as the tool builds it, in the sandbox. Its 4,000 modules would take hours.

use std::fs;
use std::process::{Command, Stdio};

use kpatch_build::base::events::Stage;
use kpatch_build::base::sandbox::Sandbox;
use kpatch_build::kernel::kbuild::BuildSandbox;
use kpatch_build::kernel::kbuild::make::Make;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::configure::{ConfigState, configure};

use crate::support::fixtures::stages::Fixture;
use crate::support::kernel;
use crate::support::need::have;
use crate::support::tool::can_boot;

#[test]
fn real_the_image_of_debians_configuration_builds_and_starts() {
    let dir = tempfile::tempdir().unwrap();
    if !can_boot() || !have(&["bwrap", "pahole"]) {
        return;
    }
    let Some(packed) = kernel::debians_configuration(dir.path()) else { return };
    let fixture = Fixture::new(&kernel::trees()[0]);
    let jobs = std::thread::available_parallelism().unwrap().get();
    let mut plan = fixture.plan(&["boot"], jobs);
    plan.kconfig = Kconfig::load(&[packed.display().to_string()]).unwrap();
    let (cx, patched) = (&fixture.cx, fixture.patched());
    let sandbox = Sandbox::find(&cx.stop).unwrap();
    plan.sandbox = Some(BuildSandbox::new(sandbox, &plan.toolchain, &plan.kconfig, &cx.stop).unwrap());
    let config = configure(cx, &plan, &patched).unwrap();
    let ConfigState::Pending(build) = config.state else { panic!("a new store has no kernel") };

    let source = patched.path();
    let make = Make { cx, plan: &plan, tree: &source, build_dir: build.path(), stage: Stage::Build };
    let built = make.command().arg(format!("-j{jobs}")).arg("bzImage").run(&cx.stop);
    assert!(built.is_ok(), "{:?}\n{}", built.err(), fixture.log("build"));

    // Without an initramfs it finds no root file system, but it tells its name before.
    let console = dir.path().join("console");
    let mut qemu = Command::new("timeout");
    qemu.args(["120", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-no-reboot"]);
    qemu.args(["-display", "none", "-append", "console=ttyS0 panic=-1", "-kernel"]);
    qemu.arg(build.path().join("arch/x86/boot/bzImage")).stdin(Stdio::null());
    qemu.arg("-serial").arg(format!("file:{}", console.display())).status().unwrap();
    let console = fs::read_to_string(console).unwrap();
    let release = format!("Linux version {}-", fixture.release);
    assert!(console.contains(&release) && console.contains("Unable to mount root fs"), "{console}");
}
