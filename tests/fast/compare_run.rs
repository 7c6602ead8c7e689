//! A whole comparison with a fake kernel, and a fake QEMU that replays a recorded boot.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kpatch_build::compare::Comparison;
use kpatch_build::report::Report;

use crate::support::fixtures::packages::Workspace;
use crate::support::need::present;
use crate::support::output::stderr;

/// Options that the boot test requires.
const OPTIONS: [&str; 11] = [
    "BLK_DEV_INITRD",
    "BINFMT_ELF",
    "SERIAL_8250_CONSOLE",
    "PRINTK",
    "PROC_FS",
    "IO_URING",
    "CGROUPS",
    "CGROUP_FREEZER",
    "COREDUMP",
    "ELF_CORE",
    "PROC_SYSCTL",
];
/// Numbers of serial ports that the boot test requires.
const PORTS: [&str; 2] = ["SERIAL_8250_NR_UARTS", "SERIAL_8250_RUNTIME_UARTS"];

/// Writes a console log and the records of a real boot where QEMU would write them.
const QEMU: &str = concat!(
    "#!/bin/sh\n",
    "for argument; do\n",
    "    case \"$argument\" in file,id=console,path=*) echo booting > \"${argument#*path=}\" ;; esac\n",
    "done\n",
    "cat '",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/boot/user-frame-6.1.187.records'\n",
);

/// Returns a tree whose image has the header of the x86 boot protocol: `0xaa55` at 0x1fe, `HdrS` at 0x202.
fn bootable() -> Workspace {
    let workspace = Workspace::new();
    let options = OPTIONS.map(|name| format!("config {name}\n\tbool \"needed\"\n")).concat()
        + &PORTS.map(|name| format!("config {name}\n\tint \"needed\"\n")).concat();
    workspace.change_tree("Kconfig", "config LOCALVERSION", &format!("{options}config LOCALVERSION"));
    let mut image = vec![0; 0x400];
    image[0x1fe..0x206].copy_from_slice(b"\x55\xaa\0\0HdrS");
    fs::write(workspace.tree.path().join("image"), image).unwrap();
    workspace.change_tree("Makefile", "@echo kernel $(LOCALVERSION) > ", "@cat image > ");
    let fragment = OPTIONS.map(|name| format!("CONFIG_{name}=y\n")).concat()
        + &PORTS.map(|name| format!("CONFIG_{name}=4\n")).concat();
    workspace.write("mine.config", format!("CONFIG_MODULES=y\n{fragment}"));
    fs::create_dir(workspace.path("bin")).unwrap();
    let qemu = workspace.write("bin/qemu-system-x86_64", QEMU);
    fs::set_permissions(qemu, fs::Permissions::from_mode(0o755)).unwrap();
    workspace
}

/// Compares the series `./own` and returns the comparison, or `None` on a machine without a compiler.
fn compare(workspace: &Workspace, flags: &[&str]) -> Option<Comparison> {
    let path = format!("{}:{}", workspace.path("bin").display(), std::env::var("PATH").unwrap());
    let output = workspace
        .tool()
        .env("PATH", path)
        .args([
            "compare",
            "--release",
            "6.1.5",
            "--source",
            &format!("dir:{}", workspace.tree.path().display()),
        ])
        .args(["--series", "./own", "--kconfig", "./mine.config", "--debuggers", "none", "--accel", "tcg"])
        .args(flags)
        .output()
        .unwrap();
    if output.status.code() == Some(69) {
        present(&stderr(&output), false);
        return None;
    }
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    Some(Comparison::load(&workspace.path("dist/compare.json")).unwrap())
}

#[test]
fn a_comparison_shows_the_applied_patches_and_no_later_edits() {
    let workspace = bootable();
    let applied = fs::read_to_string(workspace.path("own/one.patch")).unwrap();
    // The user edits the series while the kernel is built. In the sandbox the build would not reach the series.
    let edit =
        format!("@sed -i 's/AT ALL/EDITED/' '{}'\n\t@cat image", workspace.path("own/one.patch").display());
    workspace.change_tree("Makefile", "@cat image", &edit);
    let Some(comparison) = compare(&workspace, &["--no-sandbox"]) else { return };
    assert!(fs::read_to_string(workspace.path("own/one.patch")).unwrap().contains("EDITED"));

    let build = comparison.cells[0].build.as_ref().unwrap();
    let texts: Vec<_> = build.patches.iter().map(|patch| patch.text.as_str()).collect();
    assert_eq!(texts, [applied.as_str()]);
    let report = Report::load(&workspace.path("dist").join(&build.directory).join("report.json")).unwrap();
    let shown: Vec<_> = build.patches.iter().map(|patch| (&patch.file, &patch.sha256)).collect();
    let recorded: Vec<_> = report.patches.iter().map(|patch| (&patch.file, &patch.sha256)).collect();
    assert_eq!(shown, recorded);
    let page = fs::read_to_string(workspace.path("dist/compare.html")).unwrap();
    assert!(page.contains("NOTHING AT ALL") && !page.contains("EDITED"));
}

#[test]
fn paths_in_a_comparison_are_relative_to_it() {
    let workspace = bootable();
    let Some(comparison) = compare(&workspace, &[]) else { return };
    let cell = &comparison.cells[0];
    assert_eq!(cell.build.as_ref().unwrap().directory.to_str(), Some("cells/own-c"));
    assert_eq!(cell.boot.console.to_str(), Some("cells/own-c/logs/console.log"));
    assert_eq!(fs::read_to_string(workspace.path("dist").join(&cell.boot.console)).unwrap(), "booting\n");
    assert_eq!(
        (cell.series.as_str(), cell.boot.guest_release.as_deref()),
        ("own", Some("6.1.187-user-frame-boot"))
    );
}
