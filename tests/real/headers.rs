//! The headers package on other systems than the build host: its programs start, and each system's own gcc builds
//! modules with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::need::{have, have_root};
use crate::support::output::{must, text};
use crate::support::systems::debian_root::Root;
use crate::support::tool::{LINE, MODULES, Run};

const NEEDED: [&str; 5] = ["chroot", "mmdebstrap", "apt-get", "mount", "readelf"];

/// `unsafe_get_user` needs `asm goto` with outputs if the compiler has it, and gcc 10 does not.
const MODULE: &str = r#"
#include <linux/module.h>
#include <linux/uaccess.h>

static unsigned long address;
module_param(address, ulong, 0400);

static int __init hello_init(void)
{
	const int __user *from = (const int __user *)address;
	int value = 0;

	if (!user_access_begin(from, sizeof(value)))
		return -EFAULT;
	unsafe_get_user(value, from, fault);
	user_access_end();
	pr_info("%d\n", value);
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}
module_init(hello_init);

static void __exit hello_exit(void)
{
}
module_exit(hello_exit);

MODULE_DESCRIPTION("Built with the headers package");
MODULE_LICENSE("GPL");
"#;
const DKMS: &str = "PACKAGE_NAME=hello\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=hello\n\
                    DEST_MODULE_LOCATION[0]=/updates\nAUTOINSTALL=yes\n";

/// A kernel whose headers have every program of a module's build, and every option that an older gcc lacks.
struct Kernel {
    run: Run,
    release: String,
}

impl Kernel {
    fn build() -> Kernel {
        let run = Run::new(&[
            "package",
            "--release",
            LINE,
            "--series",
            "none",
            "--kconfig",
            MODULES,
            "--format",
            "deb",
            "--packages",
            "image,headers",
        ])
        .passed();
        let release = run.report()["kernel"]["release"].as_str().unwrap().to_owned();
        Kernel { run, release }
    }

    /// Installs image and headers with apt and these options.
    fn install(&self, root: &Root, options: &str) {
        for part in ["image", "headers"] {
            fs::copy(self.run.artifact("deb", part), root.join(&format!("/{part}.deb"))).unwrap();
        }
        root.must("apt-get update -qq");
        root.must(&format!("apt-get install --yes {options} /image.deb /headers.deb"));
        assert_eq!(root.must("dpkg --audit"), "");
        root.must("rm -rf /var/lib/apt/lists");
    }

    /// Asserts that the kernel accepts the module as it does its own.
    fn assert_fits(&self, root: &Root, module: &str) {
        let magic = |module: &str| root.must(&format!("modinfo -F vermagic {module}"));
        let of_kernel = magic(&format!("-k {} configs", self.release));
        assert!(of_kernel.starts_with(&format!("{} ", self.release)) && of_kernel.contains("modversions"));
        assert_eq!(magic(module), of_kernel);
    }
}

/// The file system /proc of a root, which dkms and the objtool of newer releases need.
struct Proc(PathBuf);

impl Proc {
    fn mount(root: &Root) -> Proc {
        let path = root.join("/proc");
        must(Command::new("mount").args(["-t", "proc", "proc"]).arg(&path));
        Proc(path)
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // Lazily, so that no program that still uses it prevents the removal of the root.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Writes the module to a directory of the root.
fn write_module(root: &Root, directory: &str) {
    fs::create_dir_all(root.join(directory)).unwrap();
    fs::write(root.join(&format!("{directory}/hello.c")), MODULE).unwrap();
    fs::write(root.join(&format!("{directory}/Makefile")), "obj-m := hello.o\n").unwrap();
}

/// The programs below `dir` that need an interpreter: the dynamic linker.
fn dynamic_programs(dir: &Path) -> String {
    let line = "find . -type f -perm -100 -exec sh -c 'readelf -l \"$1\" 2> /dev/null | grep -q INTERP' sh {} ';' -print";
    must(Command::new("sh").args(["-ec", line]).current_dir(dir))
}

#[test]
fn real_debian_11_builds_a_module_with_its_own_gcc() {
    if !have_root(&NEEDED) || !have(&["gcc", "make", "flex", "bison", "bc"]) {
        return;
    }
    let kernel = Kernel::build();
    let root = Root::kept("headers-bullseye", "bullseye", "kmod,linux-base");
    let _proc = Proc::mount(&root);
    kernel.install(&root, "--no-install-recommends");
    let headers = format!("/usr/src/linux-headers-{}", kernel.release);
    for program in
        ["scripts/basic/fixdep", "scripts/genksyms/genksyms", "scripts/sign-file", "tools/objtool/objtool"]
    {
        assert!(root.join(&format!("{headers}/{program}")).exists(), "{program}");
    }
    assert_eq!(dynamic_programs(&root.join(&headers)), "");

    assert!(root.must("gcc -dumpversion").starts_with("10"));
    write_module(&root, "/root/hello");
    let output = root.must(&format!(
        "make -C /lib/modules/{}/build M=/root/hello KCFLAGS=-Werror modules",
        kernel.release
    ));
    // kbuild always warns that the compiler is another one.
    let warnings = output.lines().filter(|line| line.to_lowercase().contains("warning"));
    assert_eq!(
        warnings.collect::<Vec<_>>(),
        ["warning: the compiler differs from the one used to build the kernel"]
    );
    kernel.assert_fits(&root, "/root/hello/hello.ko");

    root.must("apt-get update -qq && apt-get install --yes --no-install-recommends openssl");
    root.must(
        "openssl req -new -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout /key.pem -out /cert.pem",
    );
    root.must(&format!("{headers}/scripts/sign-file sha512 /key.pem /cert.pem /root/hello/hello.ko"));
    assert_eq!(root.must("modinfo -F signer /root/hello/hello.ko").trim_end(), "test");
}

/// Installs the kernel into a minimal system with dkms and a module for it.
fn build_with_dkms(suite: &str, gcc: &str) {
    if !have_root(&NEEDED) || !have(&["gcc", "make", "flex", "bison", "bc"]) {
        return;
    }
    let kernel = Kernel::build();
    for options in ["--no-install-recommends", "--install-recommends"] {
        let root = Root::kept(&format!("dkms-{suite}"), suite, "dkms,kmod,linux-base");
        let _proc = Proc::mount(&root);
        write_module(&root, "/usr/src/hello-1.0");
        fs::write(root.join("/usr/src/hello-1.0/dkms.conf"), DKMS).unwrap();
        root.must("dkms add hello/1.0");
        kernel.install(&root, options);
        assert!(root.must("gcc -dumpversion").starts_with(gcc));
        let status = text(&root.run("dkms status hello/1.0"));
        assert!(
            status.contains(&kernel.release) && status.contains("installed"),
            "{suite} {options}: {status}"
        );
        kernel.assert_fits(&root, &format!("-k {} hello", kernel.release));
    }
}

#[test]
fn real_dkms_of_minimal_debian_12_builds_a_module() {
    build_with_dkms("bookworm", "12");
}

#[test]
fn real_dkms_of_minimal_debian_13_builds_a_module() {
    build_with_dkms("trixie", "14");
}
