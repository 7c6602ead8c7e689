//! Build script: compiles the hash and the time of the git commit into the tool.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=packaging/commit.rs");
    // A source archive has no .git, but a directory above it may: report.json then has null.
    if !std::path::Path::new(".git").exists() {
        return;
    }
    // HEAD and the branch it points to. `rev-parse` finds both in linked worktrees too, where .git is a file.
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
