//! A whole comparison with a fake kernel, and a fake QEMU that replays a recorded boot.

use std::fs;

use kpatch_build::compare::Comparison;
use kpatch_build::report::Report;

use crate::support::fixtures::packages::Workspace;
use crate::support::need::present;
use crate::support::output::stderr;

/// Writes a console log and the records of a real boot where QEMU would write them.
const QEMU: &str = concat!(
    "for argument; do\n",
    "    case \"$argument\" in file,id=console,path=*) echo booting > \"${argument#*path=}\" ;; esac\n",
    "done\n",
    "cat '",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/boot/user-frame-6.1.187.records'\n",
);

/// Compares the series `./own` and returns the comparison, or `None` on a machine without a compiler.
fn compare(workspace: &Workspace, flags: &[&str]) -> Option<Comparison> {
    let output = workspace
        .tool()
        .env("PATH", workspace.path_variable())
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
    let workspace = Workspace::bootable(QEMU);
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
    let workspace = Workspace::bootable(QEMU);
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
