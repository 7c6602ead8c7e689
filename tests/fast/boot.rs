//! The boot stage with a program in the place of QEMU.

use std::fs;

use kpatch_build::report::Report;
use kpatch_build::stages::boot::Verdict;

use crate::support::fixtures::packages::Workspace;
use crate::support::need::present;
use crate::support::output::stderr;

/// Runs a boot sector as KVM would, prints a panic under KVM, and replays the records of a real boot under TCG.
const PANICS_UNDER_KVM: &str = concat!(
    "console= accel=\n",
    "for argument; do\n",
    "    case \"$argument\" in\n",
    "        file,id=console,path=*) console=\"${argument#*path=}\" ;;\n",
    "        *kvm*) accel=kvm ;;\n",
    "        --version) echo QEMU; exit ;;\n",
    "    esac\n",
    "done\n",
    "case $accel:$console in\n",
    "    kvm:) exit 33 ;;\n",
    "    kvm:*) echo '[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0xb' > \"$console\" ;;\n",
    "    *) echo booting > \"$console\"; cat '",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/boot/user-frame-6.1.187.records' ;;\n",
    "esac\n",
);

#[test]
fn a_kernel_that_panics_under_kvm_is_not_saved_by_tcg() {
    // Without the device the tool does not try KVM.
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return;
    }
    let workspace = Workspace::bootable(PANICS_UNDER_KVM);
    let boot = |flags: &[&str]| {
        let mut tool = workspace.tool();
        tool.env("PATH", workspace.path_variable()).args(["boot", "--release", "6.1.5", "--series", "none"]);
        tool.args(["--kconfig", "./mine.config", "--debuggers", "none", "--out", "out"]).args(flags);
        tool.arg("--source").arg(format!("dir:{}", workspace.tree.path().display())).output().unwrap()
    };
    let output = boot(&[]);
    if output.status.code() == Some(69) {
        present(&stderr(&output), false);
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("the kernel died under KVM"), "{}", stderr(&output));
    let report = Report::load(&workspace.path("out/report.json")).unwrap();
    assert_eq!(report.verdict(), Some(Verdict::Fail));
    let console = fs::read_to_string(workspace.path("out/logs/console.log")).unwrap();
    assert!(console.contains("Kernel panic"), "{console}");
    // The kernel is at fault, so the next run tries KVM again.
    assert!(stderr(&boot(&[])).contains("the kernel died under KVM"));
    let output = boot(&["--accel", "tcg"]);
    assert_ne!(
        fs::read_to_string(workspace.path("out/logs/console.log")).unwrap(),
        console,
        "{}",
        stderr(&output)
    );
}
