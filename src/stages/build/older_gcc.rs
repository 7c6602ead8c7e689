//! Lets an older gcc than the one that built the kernel build modules.

use std::io::Write;
use std::path::Path;

use fs_err as fs;

use super::error::Error;
use super::run::BuildRun;
use crate::kernel::kbuild::build_file;
use crate::kernel::toolchain::Compiler;

/// Options that make kbuild or the headers use something that gcc has since this major version. None changes what a
/// module and the kernel share: they are facts about the compiler, or change only the code inside of functions.
const OPTIONS: [(&str, u32); 15] = [
    (GOTO, 11),
    (TIED_GOTO, 11),
    (GOTO_WORKAROUND, 11),
    // -fzero-call-used-regs
    ("ZERO_CALL_USED_REGS", 11),
    // -ftrivial-auto-var-init
    ("INIT_STACK_ALL_PATTERN", 12),
    ("INIT_STACK_ALL_ZERO", 12),
    // -mharden-sls; MITIGATION_SLS since 6.9
    ("SLS", 12),
    ("MITIGATION_SLS", 12),
    ("CC_HAS_ASSUME", 13),
    // -fmin-function-alignment
    ("CC_HAS_MIN_FUNCTION_ALIGNMENT", 14),
    ("CC_HAS_SANE_FUNCTION_ALIGNMENT", 14),
    ("CC_HAS_TYPEOF_UNQUAL", 14),
    ("CC_HAS_COUNTED_BY", 15),
    ("CC_HAS_MULTIDIMENSIONAL_NONSTRING", 15),
    ("CC_HAS_COUNTED_BY_PTR", 16),
];
/// `asm goto` with outputs.
const GOTO: &str = "CC_HAS_ASM_GOTO_OUTPUT";
const TIED_GOTO: &str = "CC_HAS_ASM_GOTO_TIED_OUTPUT";
/// Set if the gcc that built the kernel has bug 113921 of gcc in `asm goto` with outputs.
const GOTO_WORKAROUND: &str = "GCC_ASM_GOTO_OUTPUT_WORKAROUND";
/// The first major version without that bug; 11.5, 12.4 and 13.3 do not have it either.
const GOTO_FIXED: u32 = 14;

const COMMENT: &str = "Added by kpatch-build: what an older gcc than that of the kernel lacks.";

/// Switches the options off for a gcc that lacks them, in both files of the headers `to` that kbuild reads options
/// from: `auto.conf` for make, `autoconf.h` for C.
pub(super) fn adapt(run: &BuildRun, to: &Path) -> Result<(), Error> {
    if run.plan.toolchain.compiler != Compiler::Gcc {
        return Ok(());
    }
    let config = build_file::text(&run.dir, ".config")?;
    let options = options(&config, major(&run.plan.toolchain.cc_version));
    if options.is_empty() {
        return Ok(());
    }
    append(&to.join("include/config/auto.conf"), &for_make(&options))?;
    append(&to.join("include/generated/autoconf.h"), &for_c(&options))
}

/// The major version in `gcc 12.2.0`.
fn major(version: &str) -> u32 {
    version
        .trim_start_matches("gcc ")
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or_default()
}

/// The options of a kernel that gcc `built_by` built, sorted by version. Without the workaround, an older gcc must not
/// use what may be broken in it.
fn options(config: &str, built_by: u32) -> Vec<(&'static str, u32)> {
    let is_set = |symbol: &str| config.lines().any(|line| line == format!("CONFIG_{symbol}=y"));
    let needs_fix = !is_set(GOTO_WORKAROUND);
    let since = |(symbol, version): (&'static str, u32)| match symbol {
        GOTO | TIED_GOTO if needs_fix => (symbol, version.max(GOTO_FIXED.min(built_by))),
        _ => (symbol, version),
    };
    let mut options: Vec<_> = OPTIONS.into_iter().filter(|(symbol, _)| is_set(symbol)).map(since).collect();
    options.sort_by_key(|(_, version)| *version);
    options
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

/// The versions of the options, each once.
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
    fn an_older_gcc_does_not_use_what_is_broken_in_it() {
        let goto = format!("CONFIG_{GOTO}=y\n");
        assert_eq!(options(&goto, major("gcc 14.2.0")), [(GOTO, 14)]);
        assert_eq!(options(&goto, major("gcc 12.4.0")), [(GOTO, 12)]);
        let config = format!("{goto}CONFIG_{GOTO_WORKAROUND}=y\nCONFIG_INIT_STACK_ALL_ZERO=y\n");
        let expected = [(GOTO, 11), (GOTO_WORKAROUND, 11), ("INIT_STACK_ALL_ZERO", 12)];
        assert_eq!(options(&config, major("gcc 12.2.0")), expected);
    }
}
