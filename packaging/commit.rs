//! Build script: tells the tool which commit it was built from, and when that was made.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=packaging/commit.rs");
    // A source archive has no .git, though a folder above it may: the report then says null.
    if !std::path::Path::new(".git").exists() {
        return;
    }
    // The file that HEAD is, and the one of the branch that it names: in a linked worktree .git is no folder.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD".to_owned()].into_iter().chain(branch).chain(["packed-refs".to_owned()]) {
        let path =
            git(&["rev-parse", "--git-path", &name]).filter(|path| std::path::Path::new(path).exists());
        if let Some(path) = path {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        println!("cargo::rustc-env=KPATCH_BUILD_COMMIT={commit}");
    }
    if let Some(time) = git(&["show", "--no-patch", "--format=%ct", "HEAD"]) {
        println!("cargo::rustc-env=KPATCH_BUILD_COMMIT_TIME={time}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
