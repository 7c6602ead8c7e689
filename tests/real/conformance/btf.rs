//! BTF, the kernel's types for BPF programs: in the image, in its modules, and in out-of-tree modules.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::kbuild::Kernel;
use crate::support::output::printed;

const MODULE: &str = "#include <linux/module.h>\nstruct of_this_module { int a; } of_this_module;\n\
                      MODULE_DESCRIPTION(\"BTF\");\nMODULE_LICENSE(\"GPL\");\n";

/// Returns whether an ELF file has a BTF section.
fn has_btf(file: &Path) -> bool {
    printed(Command::new("readelf").args(["--section-headers", "--wide"]).arg(file)).contains(" .BTF ")
}

/// Asserts that packaged modules and modules built with the headers have BTF.
pub fn assert_modules_have_btf(kernel: &Kernel, dir: &Path) {
    let release = kernel.release();
    for part in ["image", "headers"] {
        printed(Command::new("dpkg-deb").arg("--extract").arg(kernel.ours("deb", part)).arg(dir));
    }
    assert!(has_btf(&dir.join(format!("lib/modules/{release}/kernel/kernel/configs.ko"))));
    let headers = dir.join(format!("usr/src/linux-headers-{release}"));
    let base = headers.join("vmlinux");
    assert!(
        has_btf(&base) && base.metadata().unwrap().len() < 4 << 20,
        "vmlinux of the headers has only BTF"
    );
    let depends =
        printed(Command::new("dpkg-deb").arg("--field").arg(kernel.ours("deb", "headers")).arg("Depends"));
    assert!(depends.contains("pahole | dwarves"), "{depends}");
    let required =
        printed(Command::new("rpm").args(["-qp", "--requires"]).arg(kernel.ours("rpm", "headers")));
    assert!(required.lines().any(|line| line == "dwarves"), "{required}");

    let module = dir.join("module");
    fs::create_dir(&module).unwrap();
    fs::write(module.join("types.c"), MODULE).unwrap();
    fs::write(module.join("Kbuild"), "obj-m := types.o\n").unwrap();
    let mut make = Command::new("make");
    make.arg("-C").arg(&headers).arg(format!("M={}", module.display())).arg("modules");
    let output = make.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.contains("Skipping BTF"), "{text}");
    let types = module.join("types.ko");
    let known = printed(Command::new("pahole").arg("--btf_base").arg(&base).args(["-F", "btf"]).arg(&types));
    assert!(known.contains("struct of_this_module {"), "{known}");
}
