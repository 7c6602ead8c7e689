//! A file system without room: what needs it and what does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::fixtures::packages::Workspace;
use crate::support::need::have_root;
use crate::support::output::stderr;

const TOOL: &str = env!("CARGO_BIN_EXE_kpatch-build");

/// Runs a shell script in a mount namespace of its own; `$TOOL` builds the workspace's tree.
fn script(workspace: &Workspace, text: &str) -> Output {
    let tool = format!(
        "{TOOL} build --release 6.1.5 --source dir:{} --series none --kconfig ./mine.config --progress plain",
        workspace.tree.path().display()
    );
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-c", text]).env("TOOL", tool).current_dir(workspace.dir.path());
    shell.output().unwrap()
}

#[test]
fn a_stored_kernel_needs_no_space_and_another_one_does() {
    if !have_root(&["unshare", "mount"]) {
        return;
    }
    let workspace = Workspace::new();
    let output = script(
        &workspace,
        "set -e; $TOOL --store large; mkdir small; mount -t tmpfs -o size=64m none small; cp -a large small/store; \
         $TOOL --store small/store; set +e; $TOOL --store small/store --localversion=-other; exit $?",
    );
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("build  cached"), "{text}");
    assert!(text.contains("missing on this host: 4 GiB of free space"), "{text}");
}

#[test]
fn a_disk_that_fills_up_unnoticed_ends_with_69_and_keeps_the_mark() {
    if !have_root(&["unshare", "mount", "mkfs.ext4", "fallocate"]) {
        return;
    }
    let workspace = Workspace::new();
    workspace.write("mine.config", "# kpatch-build: base allnoconfig\nCONFIG_MODULES=y\n");
    // The step's own output names no cause: dash prints an I/O error, and this step prints nothing.
    let fill = "modules:\n\t@n=0; for size in 1G 100M 10M 1M 64K 4K; do \
                while fallocate -l $$size $(O)/fill$$n 2>/dev/null; do n=$$((n + 1)); done; done; \
                echo text 2>/dev/null > $(O)/last";
    workspace.change_tree("Makefile", "modules:\n\t@true", fill);
    let output = script(
        &workspace,
        "set -e; truncate -s 5G image; mkfs.ext4 -q image; mkdir disk; mount -o loop image disk; set +e; \
         $TOOL --store disk/store; code=$?; ls -A disk/store/builds/*/ >listing; exit $code",
    );
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains("the disk is full"), "{text}");
    let listing = fs::read_to_string(workspace.path("listing")).unwrap();
    assert!(listing.lines().any(|name| Path::new(name) == Path::new(".kpatch-build-running")), "{listing}");
}
