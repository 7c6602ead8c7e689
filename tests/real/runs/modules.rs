//! Modules and programs, built with the header packages of a real kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::output;
use crate::support::need::have;
use crate::support::tool::{LINE, Run, can_boot, store};

const MODULE: &str = r#"
#include <linux/module.h>
#include <linux/io_uring.h>

static int __init hello_init(void)
{
	pr_info("hello from %s\n", KBUILD_MODNAME);
	return 0;
}
module_init(hello_init);

static void __exit hello_exit(void)
{
}
module_exit(hello_exit);

MODULE_DESCRIPTION("Built with the headers package");
MODULE_LICENSE("GPL");
"#;

fn unpack_deb(deb: &Path, root: &Path) {
    output("dpkg-deb", &["--extract", deb.to_str().unwrap(), root.to_str().unwrap()]);
}

fn unpack_rpm(rpm: &Path, root: &Path) {
    let line = "rpm2cpio \"$1\" | cpio --quiet -idm";
    let status = Command::new("sh").args(["-ec", line, "sh"]).arg(rpm).current_dir(root).status().unwrap();
    assert!(status.success());
}

/// Builds the module with these headers; a warning is a failure.
fn build_module(headers: &Path, directory: &Path) -> PathBuf {
    fs::create_dir(directory).unwrap();
    fs::write(directory.join("hello.c"), MODULE).unwrap();
    fs::write(directory.join("Kbuild"), "obj-m := hello.o\n").unwrap();
    let make = Command::new("make")
        .arg("-C")
        .arg(headers)
        .arg(format!("M={}", directory.display()))
        .args(["W=e", "modules"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&make.stderr).into_owned() + &String::from_utf8_lossy(&make.stdout);
    assert!(make.status.success(), "{text}");
    // A message about skipped BTF is accepted, a warning is not.
    assert!(!text.to_lowercase().contains("warning"), "{text}");
    directory.join("hello.ko")
}

/// Returns whether any file below `directory` contains `text`.
fn mentions(directory: &Path, text: &str) -> bool {
    let found = Command::new("grep").args(["-rlaF", "--", text]).arg(directory).output().unwrap();
    eprint!("{}", String::from_utf8_lossy(&found.stdout));
    found.status.success()
}

#[test]
fn an_out_of_tree_module_is_built_with_the_headers_of_both_formats() {
    if !can_boot() || !have(&["dpkg-deb", "rpm2cpio", "cpio", "modinfo", "diff"]) {
        return;
    }
    let run = Run::new(&["package", "--release", LINE, "--series", "copy-segments"]).passed();
    let report = run.report();
    let release = report["kernel"]["release"].as_str().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let (deb, rpm) = (dir.path().join("deb"), dir.path().join("rpm"));
    for directory in [&deb, &rpm] {
        fs::create_dir(directory).unwrap();
    }
    unpack_deb(&run.artifact("deb", "headers"), &deb);
    unpack_rpm(&run.artifact("rpm", "headers"), &rpm);
    let link = |root: &Path| fs::read_link(root.join(format!("lib/modules/{release}/build"))).unwrap();
    let (in_deb, in_rpm) = (link(&deb), link(&rpm));
    assert_eq!(in_deb, Path::new(&format!("/usr/src/linux-headers-{release}")));
    assert_eq!(in_rpm, Path::new(&format!("/usr/src/kernels/{release}")));
    let home = |root: &Path, link: &Path| root.join(link.strip_prefix("/").unwrap());
    let (in_deb, in_rpm) = (home(&deb, &in_deb), home(&rpm, &in_rpm));
    output("diff", &["-r", "--no-dereference", in_deb.to_str().unwrap(), in_rpm.to_str().unwrap()]);

    assert!(!mentions(&in_deb, store().to_str().unwrap()), "the headers contain a path of the build machine");
    for (headers, name) in [(in_deb, "one"), (in_rpm, "two")] {
        let module = build_module(&headers, &dir.path().join(name));
        let magic = output("modinfo", &["-F", "vermagic", module.to_str().unwrap()]);
        assert!(magic.starts_with(&format!("{release} SMP")), "{magic}");
    }
}

#[test]
fn a_program_is_built_with_the_packaged_user_space_headers() {
    if !can_boot() || !have(&["dpkg-deb"]) {
        return;
    }
    let args = [
        "package",
        "--release",
        LINE,
        "--series",
        "copy-segments",
        "--packages",
        "libc-dev",
        "--format",
        "deb",
    ];
    let run = Run::new(&args).passed();
    let report = run.report();
    let dir = tempfile::tempdir().unwrap();
    unpack_deb(&run.artifact("deb", "libc-dev"), dir.path());
    let source = dir.path().join("version.c");
    fs::write(&source, "#include <linux/version.h>\n#include <linux/io_uring.h>\n#include <asm/ptrace.h>\nLINUX_VERSION_CODE\n")
        .unwrap();
    let include = dir.path().join("usr/include");
    let text = Command::new("gcc")
        .args(["-E", "-P", "-nostdinc", "-I"])
        .arg(&include)
        .arg("-I")
        .arg(include.join("x86_64-linux-gnu"))
        .arg(&source)
        .output()
        .unwrap();
    assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
    let release: kpatch_build::base::release::Release = report["release"].as_str().unwrap().parse().unwrap();
    // KERNEL_VERSION() has eight bits for the last number (include/uapi/linux/version.h).
    let code = (release.major << 16) + (release.minor << 8) + release.point.min(255);
    let last = String::from_utf8_lossy(&text.stdout).trim_end().lines().last().unwrap().to_owned();
    assert_eq!(last, code.to_string());
}
