//! A file system without room: what needs it and what does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::fixtures::packages::Workspace;
use crate::support::fixtures::write_program;
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

/// depmod prints such a line for each file that it cannot create, and exits with 0.
#[test]
fn packages_are_never_without_a_file_that_depmod_could_not_write() {
    let workspace = Workspace::new();
    workspace.write("reason", "No space left on device");
    fs::create_dir(workspace.path("bin")).unwrap();
    write_program(
        &workspace.path("bin/depmod"),
        "case $1 in --version) exec /sbin/depmod \"$@\";; esac\n\
         /sbin/depmod \"$@\"; echo \"depmod: ERROR: openat(/x, modules.devname.1, 301, 644): $(cat reason)\" >&2",
    );
    let path = format!("{}:{}", workspace.path("bin").display(), std::env::var("PATH").unwrap());
    let package = || {
        let mut tool = workspace.tool();
        tool.args(["package", "--release", "6.1.5", "--series", "none", "--kconfig", "./mine.config"]);
        tool.arg("--source").arg(format!("dir:{}", workspace.tree.path().display()));
        tool.args(["--packages", "image", "--store", "store"]).env("PATH", &path).output().unwrap()
    };
    let output = package();
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("the dependencies of the modules are incomplete: depmod: ERROR: openat")
    );
    assert!(stderr(&output).contains("next: free space"), "{}", stderr(&output));
    workspace.write("reason", "Input/output error");
    let output = package();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let packages = fs::read_dir(workspace.path("dist")).unwrap().flatten();
    assert_eq!(packages.filter(|file| file.path().extension().is_some_and(|end| end == "deb")).count(), 0);
    fs::remove_file(workspace.path("bin/depmod")).unwrap();
    assert_eq!(package().status.code(), Some(0));
}
