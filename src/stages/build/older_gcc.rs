//! Lets an older gcc than the one that built the kernel build modules.

use std::io::Write;
use std::path::Path;

use fs_err as fs;

use super::error::Error;
use super::run::BuildRun;
use crate::kernel::toolchain::Compiler;

/// Options that make kbuild or the headers use something that gcc has since this major version. None changes what a
/// module and the kernel share: they are facts about the compiler, or change only the code inside of functions.
const OPTIONS: [(&str, u32); 11] = [
    ("CC_HAS_ASM_GOTO_OUTPUT", 11),
    ("CC_HAS_ASM_GOTO_TIED_OUTPUT", 11),
    ("GCC_ASM_GOTO_OUTPUT_WORKAROUND", 11),
    // -fzero-call-used-regs
    ("ZERO_CALL_USED_REGS", 11),
    // -ftrivial-auto-var-init
    ("INIT_STACK_ALL_PATTERN", 12),
    ("INIT_STACK_ALL_ZERO", 12),
    // -mharden-sls; MITIGATION_SLS since 6.9
    ("SLS", 12),
    ("MITIGATION_SLS", 12),
    // -fmin-function-alignment
    ("CC_HAS_MIN_FUNCTION_ALIGNMENT", 14),
    ("CC_HAS_TYPEOF_UNQUAL", 14),
    ("CC_HAS_COUNTED_BY", 15),
];
const COMMENT: &str = "Added by kpatch-build: what an older gcc than that of the kernel lacks.";

/// Switches the options off for a gcc that lacks them, in both files of the headers `to` that kbuild reads options
/// from: `auto.conf` for make, `autoconf.h` for C.
pub(super) fn adapt(run: &BuildRun, to: &Path) -> Result<(), Error> {
    if run.plan.toolchain.compiler != Compiler::Gcc {
        return Ok(());
    }
    let config = fs::read_to_string(run.dir.join(".config"))?;
    let is_set = |symbol: &str| config.lines().any(|line| line == format!("CONFIG_{symbol}=y"));
    let options: Vec<_> = OPTIONS.into_iter().filter(|(symbol, _)| is_set(symbol)).collect();
    if options.is_empty() {
        return Ok(());
    }
    append(&to.join("include/config/auto.conf"), &for_make(&options))?;
    append(&to.join("include/generated/autoconf.h"), &for_c(&options))
}

fn append(path: &Path, text: &str) -> Result<(), Error> {
    Ok(fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?)
}

/// Each make reads the file; only the first one, which exports the version, runs the compiler.
fn for_make(options: &[(&str, u32)]) -> String {
    let mut text = format!(
        "\n# {COMMENT}\n\
         ifndef KPATCH_BUILD_GCC\n\
         export KPATCH_BUILD_GCC := $(firstword $(subst ., ,$(shell $(CC) -dumpversion)))\n\
         endif\n\
         kpatch-build-lacks = $(shell test \"$(KPATCH_BUILD_GCC)\" -lt $(1) 2> /dev/null && echo y)\n"
    );
    for since in versions(options) {
        text += &format!("ifeq ($(call kpatch-build-lacks,{since}),y)\n");
        for (symbol, _) in options.iter().filter(|(_, version)| *version == since) {
            text += &format!("override CONFIG_{symbol} :=\n");
        }
        text += "endif\n";
    }
    text
}

fn for_c(options: &[(&str, u32)]) -> String {
    let mut text = format!("\n/* {COMMENT} */\n#if defined(__GNUC__) && !defined(__clang__)\n");
    for since in versions(options) {
        text += &format!("#if __GNUC__ < {since}\n");
        for (symbol, _) in options.iter().filter(|(_, version)| *version == since) {
            text += &format!("#undef CONFIG_{symbol}\n");
        }
        text += "#endif\n";
    }
    text + "#endif\n"
}

/// The versions of the options, each once. [`OPTIONS`] is sorted by them.
fn versions(options: &[(&str, u32)]) -> Vec<u32> {
    let mut versions: Vec<_> = options.iter().map(|(_, version)| *version).collect();
    versions.dedup();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The options that stay switched on with gcc of a version, in make and in C.
    fn kept(version: &str) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let options = [("ZERO_CALL_USED_REGS", 11), ("INIT_STACK_ALL_ZERO", 12)];
        let makefile = format!(
            "CC = echo {version};:\nCONFIG_ZERO_CALL_USED_REGS=y\nCONFIG_INIT_STACK_ALL_ZERO=y\n{}\
             all:\n\t@echo $(CONFIG_ZERO_CALL_USED_REGS) $(CONFIG_INIT_STACK_ALL_ZERO)\n",
            for_make(&options)
        );
        let header = format!(
            "#define CONFIG_ZERO_CALL_USED_REGS y\n#define CONFIG_INIT_STACK_ALL_ZERO y\n{}\
             #ifdef CONFIG_ZERO_CALL_USED_REGS\ny\n#endif\n#ifdef CONFIG_INIT_STACK_ALL_ZERO\ny\n#endif\n",
            for_c(&options)
        );
        fs::write(dir.path().join("Makefile"), makefile).unwrap();
        fs::write(dir.path().join("a.h"), header).unwrap();
        let run = |command: &mut Command| {
            let output = command.current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let major = version.split('.').next().unwrap();
        (
            run(Command::new("make").arg("-s")),
            run(Command::new("gcc").args(["-E", "-P", "-U__GNUC__", &format!("-D__GNUC__={major}"), "a.h"])),
        )
    }

    #[test]
    fn an_older_gcc_gets_only_the_options_that_it_has() {
        for (version, left) in [("10", ""), ("11.4.0", "y"), ("12", "y y"), ("14.2.0", "y y")] {
            assert_eq!(kept(version), (left.to_owned(), left.to_owned()), "gcc {version}");
        }
    }

    #[test]
    fn the_options_are_sorted_by_version() {
        assert!(OPTIONS.is_sorted_by_key(|(_, version)| *version));
    }
}
