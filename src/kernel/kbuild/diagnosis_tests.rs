//! Recorded output of gcc 12.2, clang 14, binutils 2.40, rustc 1.95,
//! GNU make 4.3, dash and bash.

use std::path::Path;

use super::*;

fn diagnose(output: &str) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(Path::new("/src/linux"));
    output.lines().for_each(|line| diagnosis.read(line));
    diagnosis
}

fn found(output: &str) -> String {
    diagnose(output).first_error().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn the_first_error_of_gcc_is_found_after_its_context() {
    let output = "\
  CC      kernel/bad.o
/src/linux/kernel/bad.c: In function ‘f’:
/src/linux/kernel/bad.c:4:28: error: ‘undeclared’ undeclared (first use in this function)
    4 |         int unused_thing = undeclared + 1;
      |                            ^~~~~~~~~~
/src/linux/kernel/bad.c:4:28: note: each undeclared identifier is reported only once for each function it appears in
/src/linux/kernel/bad.c:5:9: error: ‘retrun’ undeclared (first use in this function)
make[3]: *** [/src/linux/scripts/Makefile.build:250: kernel/bad.o] Error 1
make: *** [Makefile:224: __sub-make] Error 2";
    assert_eq!(found(output), "kernel/bad.c:4: ‘undeclared’ undeclared (first use in this function)");
}

#[test]
fn a_warning_treated_as_an_error_is_the_error() {
    let output = "\
  CC      /b/tools/objtool/help.o
In file included from help.c:12:
In function ‘xrealloc’,
    inlined from ‘add_cmdname’ at help.c:24:2:
subcmd-util.h:56:23: error: pointer may be used after ‘realloc’ [-Werror=use-after-free]
   56 |                 ret = realloc(ptr, size);
      |                       ^~~~~~~~~~~~~~~~~~
cc1: all warnings being treated as errors
make[4]: *** [/src/linux/tools/build/Makefile.build:97: /b/tools/objtool/help.o] Error 1";
    assert_eq!(
        found(output),
        "subcmd-util.h:56: pointer may be used after ‘realloc’ [-Werror=use-after-free]"
    );
}

#[test]
fn errors_of_clang_and_of_the_drivers_are_found() {
    for (output, expected) in [
        (
            "/src/linux/a/bad.c:4:21: error: use of undeclared identifier 'undeclared'\n\
             /src/linux/a/bad.c:5:2: error: use of undeclared identifier 'retrun'\n2 errors generated.",
            "a/bad.c:4: use of undeclared identifier 'undeclared'",
        ),
        (
            "werr.c:3:6: error: unused variable 'x' [-Werror,-Wunused-variable]",
            "werr.c:3: unused variable 'x' [-Werror,-Wunused-variable]",
        ),
        ("clang: error: unknown argument: '-mnonsense'", "clang: unknown argument: '-mnonsense'"),
        (
            "gcc: error: unrecognized command-line option ‘-mnonsense’; did you mean ‘-mno-sse’?",
            "gcc: unrecognized command-line option ‘-mnonsense’; did you mean ‘-mno-sse’?",
        ),
        (
            "nohdr.c:1:10: fatal error: gelf.h2: No such file or directory",
            "nohdr.c:1: gelf.h2: No such file or directory",
        ),
    ] {
        assert_eq!(found(output), expected);
    }
}

#[test]
fn errors_of_assemblers_are_found() {
    let gas = "a.S: Assembler messages:\na.S:1: Error: no such instruction: `nosuchinsn %eax'";
    assert_eq!(found(gas), "a.S:1: no such instruction: `nosuchinsn %eax'");
    assert_eq!(
        found("a.S:1:2: error: invalid instruction mnemonic 'nosuchinsn'\n nosuchinsn %eax\n ^~~~~~~~~~"),
        "a.S:1: invalid instruction mnemonic 'nosuchinsn'"
    );
}

#[test]
fn errors_of_linkers_are_found_with_their_object() {
    let bfd = "/usr/bin/ld: und.o: in function `main':\n\
               und.c:(.text+0x5): undefined reference to `missing_symbol'\n\
               collect2: error: ld returned 1 exit status";
    assert_eq!(found(bfd), "und.o: undefined reference to `missing_symbol'");
    let lld = "ld.lld: error: undefined symbol: missing_symbol\n>>> referenced by und.c\n\
               >>>               und.o:(main)\nclang: error: linker command failed with exit code 1";
    assert_eq!(found(lld), "ld.lld: undefined symbol: missing_symbol");
    let modpost = "ERROR: modpost: \"missing_symbol\" [drivers/net/dummy.ko] undefined!\n\
                   make[1]: *** [/src/linux/scripts/Makefile.modpost:126: Module.symvers] Error 1";
    assert_eq!(found(modpost), "drivers/net/dummy.ko: \"missing_symbol\" [drivers/net/dummy.ko] undefined!");
}

#[test]
fn an_error_of_rustc_is_found_with_its_position() {
    let output = "error[E0308]: mismatched types\n --> arch/x86/kernel/r.rs:1:26\n  |\n\
                  1 | fn main() { let x: u32 = \"a\"; }\n\nerror: aborting due to 1 previous error";
    assert_eq!(found(output), "arch/x86/kernel/r.rs:1: mismatched types");
}

#[test]
fn the_message_of_make_is_used_if_no_program_reports_an_error() {
    let rule = "make: *** No rule to make target 'c', needed by 'b'.  Stop.";
    assert_eq!(found(rule), "No rule to make target 'c', needed by 'b'.  Stop.");
    let nested = "make[2]: *** [/src/linux/scripts/Makefile.vmlinux:35: vmlinux] Error 137\n\
                  make[1]: *** [/src/linux/Makefile:1250: vmlinux] Error 2";
    assert_eq!(found(nested), "vmlinux: make failed: [scripts/Makefile.vmlinux:35: vmlinux] Error 137");
}

#[test]
fn output_without_an_error_yields_none() {
    let output = "  CC      kernel/error.o\n  AR      drivers/built-in.a\n\
                  warning: something: errors are likely\n  LD      vmlinux";
    assert_eq!(diagnose(output).first_error(), None);
}

#[test]
fn programs_that_are_not_installed_are_named() {
    for (line, program) in [
        ("/bin/sh: 1: flex: not found", "flex"),
        ("/bin/sh: line 1: bc: command not found", "bc"),
        ("bash: cpio: command not found", "cpio"),
        ("make: bison: No such file or directory", "bison"),
        ("make[3]: lz4: Command not found", "lz4"),
        ("BTF: .tmp_vmlinux.btf: pahole (pahole) is not available", "pahole"),
    ] {
        assert_eq!(diagnose(line).missing, Some(Missing::Program(program.to_owned())), "{line}");
    }
}

#[test]
fn headers_of_the_host_are_distinguished_from_those_of_the_kernel() {
    for (line, library) in [
        ("elf.h:10:10: fatal error: gelf.h: No such file or directory", "libelf"),
        ("sign-file.c:25:10: fatal error: openssl/opensslv.h: No such file or directory", "OpenSSL"),
        ("sign-file.c:25:10: fatal error: 'openssl/opensslv.h' file not found", "OpenSSL"),
        ("Makefile:1: *** \"Cannot generate ORC metadata, please install libelf-dev\".  Stop.", "libelf"),
    ] {
        let missing = diagnose(line).missing;
        assert!(
            matches!(&missing, Some(Missing::Header { library: found, .. }) if *found == library),
            "{line}: {missing:?}"
        );
    }
    for line in [
        "a.c:1:10: fatal error: linux/nothing.h: No such file or directory",
        "cat: flex: No such file or directory",
        "/bin/sh: 1: kpatch-build-unused: not found",
        "make[1]: *** /src: No such file or directory.  Stop.",
    ] {
        assert_eq!(diagnose(line).missing, None, "{line}");
    }
}

#[test]
fn a_full_disk_is_noticed() {
    assert!(diagnose("fatal error: error writing to /b/x.o: No space left on device").disk_full);
}
