//! Programs in the build directory that kbuild runs instead of pahole and of the compiler for the host.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::build_file;

/// The program that kbuild runs as pahole.
const PAHOLE: &str = ".kpatch-build-pahole";
/// Kbuild runs pahole with threads (scripts/pahole-flags.sh), and Debian 12's 1.24 writes types in the order in
/// which the threads finish: no two builds would be equal.
const SINGLE_THREADED_PAHOLE: &str = "#!/bin/sh
for argument; do
    shift
    case $argument in
        -j* | --jobs*) ;;
        *) set -- \"$@\" \"$argument\" ;;
    esac
done
exec pahole \"$@\"
";

/// The program that kbuild runs as the compiler for the host.
const HOSTCC: &str = ".kpatch-build-hostcc";
/// Names the compiler that [`HOSTCC`] runs.
pub(super) const HOSTCC_VARIABLE: &str = "KPATCH_BUILD_HOSTCC";
/// The programs in the headers package must start on systems with older or other libraries, so they are linked
/// statically if this host has the static libraries: of the C library, of libelf (objtool) and of OpenSSL
/// (sign-file), which need those of zlib and zstd. HOSTLDFLAGS would also apply to shared objects, which cannot be
/// static, and comes before the libraries of some programs.
const STATIC_HOSTCC: &str = "#!/bin/sh
output= previous= links=yes
for argument; do
    [ \"$previous\" != -o ] || output=$argument
    case $argument in
        -c | -S | -E | -r | -shared) links=no ;;
    esac
    previous=$argument
done
case $links:$output in
    yes:scripts/* | yes:*tools/objtool/objtool | yes:*/resolve_btfids)
        for libraries in '-lz -lzstd' -lz ''; do
            \"$KPATCH_BUILD_HOSTCC\" \"$@\" -static $libraries -ldl -pthread 2> /dev/null && exit
        done
        ;;
esac
exec \"$KPATCH_BUILD_HOSTCC\" \"$@\"
";

/// Writes the programs to the build directory `dir`. Returns the time of the last one, by the file system's clock.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(dir: &Path) -> io::Result<SystemTime> {
    for (name, script) in [(PAHOLE, SINGLE_THREADED_PAHOLE), (HOSTCC, STATIC_HOSTCC)] {
        let path = build_file::write(dir, name, script)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    }
    fs::metadata(hostcc(dir))?.modified()
}

/// Whether the path is one of the programs in the build directory `dir`.
pub(super) fn is_wrapper(path: &Path, dir: &Path) -> bool {
    path == pahole(dir) || path == hostcc(dir)
}

/// The program that kbuild runs as pahole, in the build directory `dir`.
pub(super) fn pahole(dir: &Path) -> PathBuf {
    dir.join(PAHOLE)
}

/// The program that kbuild runs as the compiler for the host, in the build directory `dir`.
pub(super) fn hostcc(dir: &Path) -> PathBuf {
    dir.join(HOSTCC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new() -> Fixture {
            let fixture = Fixture(tempfile::tempdir().unwrap());
            write(fixture.0.path()).unwrap();
            fixture
        }

        fn program(&self, name: &str, script: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            path
        }

        /// The arguments of each call of a compiler that fails if it gets one of `refused`.
        fn calls(&self, refused: &str, arguments: &[&str]) -> Vec<String> {
            let log = self.0.path().join("log");
            let script = format!(
                "#!/bin/sh\necho \"$*\" >> '{}'\ncase \" $* \" in *' {refused} '*) exit 1 ;; esac\n",
                log.display()
            );
            let cc = self.program("cc", &script);
            let mut command = Command::new(hostcc(self.0.path()));
            assert!(command.args(arguments).env(HOSTCC_VARIABLE, cc).status().unwrap().success());
            let calls = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
            fs::remove_file(log).unwrap();
            calls
        }
    }

    /// A build directory with a younger file is emptied.
    #[test]
    fn no_program_is_younger_than_the_returned_time() {
        let fixture = Fixture::new();
        for _ in 0..50 {
            let time = write(fixture.0.path()).unwrap();
            for program in [pahole(fixture.0.path()), hostcc(fixture.0.path())] {
                assert!(fs::metadata(program).unwrap().modified().unwrap() <= time);
            }
        }
    }

    #[test]
    fn pahole_runs_in_one_thread() {
        let fixture = Fixture::new();
        fixture.program("pahole", "#!/bin/sh\nprintf '<%s>' \"$@\"\n");
        let output = Command::new(pahole(fixture.0.path()))
            .args(["-J", "-j", "--btf_gen_floats", "-j8", "--jobs=4", "--lang_exclude=rust", "a file"])
            .env("PATH", format!("{}:/usr/bin:/bin", fixture.0.path().display()))
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(printed, "<-J><--btf_gen_floats><--lang_exclude=rust><a file>");
    }

    #[test]
    fn programs_of_the_headers_are_linked_statically() {
        let fixture = Fixture::new();
        let first = |output: &str| fixture.calls("none", &["-o", output, "a.o"]).remove(0);
        for output in
            ["scripts/mod/modpost", "/b/tools/objtool/objtool", "/b/tools/bpf/resolve_btfids/resolve_btfids"]
        {
            assert_eq!(first(output), format!("-o {output} a.o -static -lz -lzstd -ldl -pthread"));
        }
        assert_eq!(first("/b/tools/objtool/fixdep"), "-o /b/tools/objtool/fixdep a.o");
    }

    #[test]
    fn objects_and_shared_objects_are_built_as_before() {
        let fixture = Fixture::new();
        for arguments in
            [&["-c", "-o", "scripts/a.o"][..], &["-shared", "-o", "scripts/a.so"], &["--version"]]
        {
            assert_eq!(fixture.calls("none", arguments), [arguments.join(" ")]);
        }
    }

    #[test]
    fn a_program_whose_static_libraries_are_missing_is_linked_dynamically() {
        let fixture = Fixture::new();
        let of = |refused| fixture.calls(refused, &["-o", "scripts/x"]).pop().unwrap();
        assert_eq!(of("-lzstd"), "-o scripts/x -static -lz -ldl -pthread");
        assert_eq!(of("-lz"), "-o scripts/x -static -ldl -pthread");
        assert_eq!(of("-static"), "-o scripts/x");
    }
}
