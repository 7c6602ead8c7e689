//! The needs of a run on its host, and the packages that meet them.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::base::error::{Exit, Explain, Failure};
use crate::base::process;
use crate::base::sandbox::Sandbox;
use crate::base::stop::Stop;
use crate::kernel::toolchain::rust::SearchPaths;
use crate::kernel::toolchain::{self, LLVM_TOOLS, version_in_name};

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian and its derivatives.
    Apt,
    /// Fedora and its relatives.
    Dnf,
    /// openSUSE.
    Zypper,
}

/// Something that a run needs from the host.
#[derive(Clone, Debug)]
pub struct Need {
    /// The name shown to the user.
    pub what: String,
    /// The activity that needs it.
    pub used_for: &'static str,
    test: Test,
    packages: Packages,
    /// A run works without it.
    optional: bool,
}

/// Whether the host meets a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    Found,
    /// It does not.
    Missing,
    /// Only the C compiler could tell, and there is none that works.
    Unknown,
}

impl From<bool> for Presence {
    fn from(found: bool) -> Presence {
        if found { Presence::Found } else { Presence::Missing }
    }
}

/// The C compiler of a run, as the host has it.
#[derive(Debug)]
pub(crate) enum HostCompiler<'a> {
    /// It compiles; its name or path.
    Works(&'a str),
    /// The host does not have it.
    Missing,
    /// The host has a program of this name, which is of no use.
    Broken(toolchain::Error),
}

impl HostCompiler<'_> {
    /// Examines `cc`, a name in `PATH` or a path.
    pub(crate) fn examine<'a>(cc: &'a str, stop: &Stop) -> HostCompiler<'a> {
        match toolchain::check_compiler(cc, stop) {
            Ok(()) => HostCompiler::Works(cc),
            Err(toolchain::Error::Missing { .. }) => HostCompiler::Missing,
            Err(error) => HostCompiler::Broken(error),
        }
    }
}

/// How to test that the host meets a need.
#[derive(Clone, Debug)]
enum Test {
    /// The C compiler of the run works.
    Compiler,
    /// Name or path of a program.
    Program(PathBuf),
    /// The compiler finds this header.
    Header(&'static str),
    /// The compiler compiles 32-bit code.
    Compiles32Bit,
    /// A rustc with the sources of its library.
    Rustc,
    Bindgen,
    Libclang,
    /// A mechanism of the sandbox works.
    Sandbox,
    /// Files can be written to the directory for temporary files.
    TemporaryFiles,
    /// The file system of this directory, which need not exist, has this much free space.
    DiskSpace {
        dir: PathBuf,
        bytes: u64,
    },
}

/// Names of packages, separated by spaces, by package manager; empty if no package meets the need.
#[derive(Clone, Debug, Default)]
struct Packages {
    apt: String,
    dnf: String,
    zypper: String,
    /// A command to run after the installation with this manager.
    then: Option<(Manager, &'static str)>,
}

impl Packages {
    fn everywhere(name: &str) -> Packages {
        Packages::each([name; 3])
    }

    fn each([apt, dnf, zypper]: [&str; 3]) -> Packages {
        Packages { apt: apt.into(), dnf: dnf.into(), zypper: zypper.into(), then: None }
    }
}

impl Need {
    /// Free space of `bytes` bytes in the file system of `dir`, which need not exist. `what` and `used_for` are
    /// for the user.
    pub(crate) fn disk_space(what: String, used_for: &'static str, dir: &Path, bytes: u64) -> Need {
        let test = Test::DiskSpace { dir: dir.to_owned(), bytes };
        Need { what, used_for, test, packages: Packages::default(), optional: false }
    }

    /// Whether the need is free space, which no package provides.
    pub(crate) fn is_disk_space(&self) -> bool {
        matches!(self.test, Test::DiskSpace { .. })
    }

    /// The program `name`, with its package for each of apt, dnf and zypper.
    pub(crate) fn program(name: &str, used_for: &'static str, packages: [&str; 3]) -> Need {
        let (test, packages) = (Test::Program(name.into()), Packages::each(packages));
        Need { what: name.into(), used_for, test, packages, optional: false }
    }

    /// The need of a run that works without it.
    pub(crate) fn optional(self) -> Need {
        Need { optional: true, ..self }
    }

    /// Whether a run works without it.
    pub(crate) fn is_optional(&self) -> bool {
        self.optional
    }

    /// Whether the host meets the need.
    pub(crate) fn presence(&self, compiler: &HostCompiler, stop: &Stop) -> Presence {
        self.test.presence(compiler, stop)
    }

    /// Why what the host has is of no use, if it has something.
    pub(crate) fn fault(&self, compiler: &HostCompiler) -> Option<Failure> {
        match (&self.test, compiler) {
            (Test::Compiler, HostCompiler::Broken(error)) => Some(Failure::new(None, error)),
            (Test::TemporaryFiles, _) => tempfile::tempfile()
                .err()
                .map(|source| Failure::new(None, &NoTemporaryFiles { dir: std::env::temp_dir(), source })),
            _ => None,
        }
    }

    /// Names of the packages that meet the need; empty if no package does.
    pub(crate) fn packages(&self, manager: Manager) -> impl Iterator<Item = &str> {
        let names = match manager {
            Manager::Apt => &self.packages.apt,
            Manager::Dnf => &self.packages.dnf,
            Manager::Zypper => &self.packages.zypper,
        };
        names.split_whitespace()
    }

    /// The command that meets the need once its packages are installed, if they alone do not.
    pub(crate) fn command(&self, manager: Manager) -> Option<&'static str> {
        self.packages.then.filter(|(for_manager, _)| *for_manager == manager).map(|(_, command)| command)
    }
}

/// The directory for temporary files is of no use.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}, the directory for temporary files", dir.display())]
struct NoTemporaryFiles {
    dir: PathBuf,
    source: io::Error,
}

impl Explain for NoTemporaryFiles {
    fn exit(&self) -> Exit {
        Exit::HostLacks
    }

    fn next_step(&self) -> Option<String> {
        Some("set TMPDIR to a directory that you can write to".into())
    }
}

/// The needs of kpatch-build on any host; its own packages depend on them.
#[derive(Clone, Debug)]
pub(crate) struct HostNeeds {
    /// Needs of every run that builds and packages.
    pub(crate) build: Vec<Need>,
    /// Needs of the boot test and of the sandbox.
    pub(crate) recommended: Vec<Need>,
    /// Needs of some kconfigs and flags.
    pub(crate) optional: Vec<Need>,
}

impl HostNeeds {
    /// The needs with gcc, under the package names of current distributions.
    pub(crate) fn on_any_host() -> HostNeeds {
        let mut optional = vec![pahole()];
        optional.extend(rust(None, false));
        optional.extend(compiler("clang"));
        let recommended = boot().into_iter().chain([sandbox()]).collect();
        HostNeeds { build: build("gcc"), recommended, optional }
    }
}

/// The needs of a build with the C compiler `cc`, a name or a path.
pub(crate) fn build(cc: &str) -> Vec<Need> {
    let mut needs = compiler(cc);
    needs.extend([
        program("make", "the build", "make"),
        program("flex", "the build (Kconfig)", "flex"),
        program("bison", "the build (Kconfig)", "bison"),
        program("bc", "the build (timeconst.h)", "bc"),
        program("perl", "the build (generated headers)", "perl"),
        Need::program("xz", "the build (compressed image)", ["xz-utils", "xz", "xz"]),
        program("zstd", "the build (compressed image)", "zstd"),
        header(
            "libelf headers",
            "gelf.h",
            "the build (objtool)",
            ["libelf-dev", "elfutils-libelf-devel", "libelf-devel"],
        ),
        header(
            "OpenSSL headers",
            "openssl/opensslv.h",
            "the build (module signing keys)",
            ["libssl-dev", "openssl-devel", "libopenssl-devel"],
        ),
        program("depmod", "module dependencies", "kmod"),
    ]);
    needs
}

/// The need of kernels with BTF.
pub(crate) fn pahole() -> Need {
    program("pahole", "the build (DEBUG_INFO_BTF)", "dwarves")
}

/// The need of a confined build.
pub(crate) fn sandbox() -> Need {
    Need {
        what: "sandbox (bubblewrap, or user namespaces)".into(),
        used_for: "the build (--sandbox)",
        test: Test::Sandbox,
        packages: Packages::everywhere("bubblewrap"),
        optional: false,
    }
}

/// The needs of the boot test.
pub(crate) fn boot() -> Vec<Need> {
    let packages = ["qemu-system-x86", "qemu-system-x86-core", "qemu-x86"];
    let compiler = Need {
        what: "32-bit code from the compiler".into(),
        used_for: "the boot test (32-bit tracee)",
        test: Test::Compiles32Bit,
        packages: Packages::everywhere("gcc"),
        optional: false,
    };
    vec![Need::program("qemu-system-x86_64", "the boot test", packages), compiler]
}

/// The need of the boot test that no package meets.
pub(crate) fn temporary_files() -> Need {
    Need {
        what: "a directory for temporary files (TMPDIR)".into(),
        used_for: "the boot test",
        test: Test::TemporaryFiles,
        packages: Packages::default(),
        optional: false,
    }
}

/// The compiler and the binary utilities that kbuild uses with it.
fn compiler(cc: &str) -> Vec<Need> {
    let name = Path::new(cc).file_name().and_then(|name| name.to_str()).unwrap_or(cc);
    match (version_in_name(name, "clang"), version_in_name(name, "gcc")) {
        (Some(version), _) => clang(cc, version),
        (None, version) => {
            vec![
                c_compiler(cc, version.map_or_else(Packages::default, gcc)),
                program("ld", "the build", "binutils"),
            ]
        }
    }
}

fn c_compiler(cc: &str, packages: Packages) -> Need {
    let what = if cc == "gcc" { "C compiler".into() } else { format!("C compiler {cc}") };
    Need { what, used_for: "the build", test: Test::Compiler, packages, optional: false }
}

/// The packages of a gcc; `version` is as in `gcc-12`.
fn gcc(version: &str) -> Packages {
    let without_dash = version.trim_start_matches('-');
    Packages {
        apt: format!("gcc{version} libc6-dev"),
        zypper: format!("gcc{without_dash} glibc-devel"),
        ..Packages::everywhere("gcc glibc-devel")
    }
}

/// The needs of a build with clang; `version` is as in `clang-19`.
fn clang(cc: &str, version: &str) -> Vec<Need> {
    let packages = Packages {
        apt: format!("clang{version} lld{version} llvm{version}"),
        ..Packages::everywhere("clang lld llvm")
    };
    let path = process::find(cc).unwrap_or_else(|| cc.into());
    let mut needs = vec![c_compiler(cc, packages.clone())];
    needs.extend(LLVM_TOOLS.iter().map(|(_, name)| {
        let tool = toolchain::llvm_tool(&path, name);
        Need {
            what: tool.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            used_for: "the build with clang",
            test: Test::Program(tool),
            packages: packages.clone(),
            optional: false,
        }
    }));
    needs
}

/// The needs of `CONFIG_RUST`. Debian 12 (`codename` "bookworm") has separate packages of the newer compilers that
/// its browsers are built with; its bindgen (0.60) is too old for every release. `has_cargo`: cargo is
/// installed.
pub(crate) fn rust(codename: Option<&str>, has_cargo: bool) -> Vec<Need> {
    let on_bookworm = codename == Some("bookworm");
    let (rustc, libclang) = match on_bookworm {
        true => ("rustc-web rust-web-src", "libclang-19-dev"),
        false => ("rustc rust-src", "libclang-dev"),
    };
    let mut bindgen = Packages::each(["bindgen", "bindgen-cli", "rust-bindgen"]);
    if on_bookworm {
        bindgen.apt = if has_cargo { "" } else { "cargo-web" }.to_owned();
        bindgen.then = Some((Manager::Apt, "cargo install --locked bindgen-cli@0.72.1"));
    }
    let need = |what: &str, test, packages| Need {
        what: what.to_owned(),
        used_for: "the build (RUST)",
        test,
        packages,
        optional: false,
    };
    vec![
        need(
            "rustc with the sources of its library",
            Test::Rustc,
            Packages::each([rustc, "rust rust-src", "rust rust-src"]),
        ),
        need("libclang", Test::Libclang, Packages::each([libclang, "clang-devel", "clang-devel"])),
        need("bindgen", Test::Bindgen, bindgen),
    ]
}

/// The code name of the distribution, such as `bookworm`, from
/// [os-release](https://www.freedesktop.org/software/systemd/man/latest/os-release.html).
pub(crate) fn codename() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(value.trim_matches('"').to_owned())
}

fn program(name: &str, used_for: &'static str, package: &str) -> Need {
    Need::program(name, used_for, [package; 3])
}

fn header(what: &str, path: &'static str, used_for: &'static str, packages: [&str; 3]) -> Need {
    Need {
        what: what.into(),
        used_for,
        test: Test::Header(path),
        packages: Packages::each(packages),
        optional: false,
    }
}

/// The directories in which compilers of distributions find headers.
const HEADERS: [&str; 3] = ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/local/include"];

impl Test {
    fn presence(&self, compiler: &HostCompiler, stop: &Stop) -> Presence {
        let is_met = match self {
            Test::Compiler => matches!(compiler, HostCompiler::Works(_)),
            Test::Program(name) => process::find(name).is_some(),
            Test::Header(path) => match compiler {
                HostCompiler::Works(cc) => toolchain::compiles(cc, &["-include", path], stop).is_ok(),
                _ => HEADERS.iter().any(|dir| Path::new(dir).join(path).exists()),
            },
            Test::Compiles32Bit => match compiler {
                HostCompiler::Works(cc) => toolchain::compiles(cc, &["-m32", "-ffreestanding"], stop).is_ok(),
                _ => return Presence::Unknown,
            },
            Test::Rustc => toolchain::rust::rustc(&SearchPaths::of_this_host(), stop).is_ok(),
            Test::Bindgen => toolchain::rust::bindgen(&SearchPaths::of_this_host(), stop).is_ok(),
            Test::Sandbox => Sandbox::find(stop).is_ok(),
            Test::Libclang => toolchain::rust::libclang(&SearchPaths::of_this_host()).is_ok(),
            Test::TemporaryFiles => tempfile::tempfile().is_ok(),
            Test::DiskSpace { dir, bytes } => free_bytes(dir).is_none_or(|free| free >= *bytes),
        };
        is_met.into()
    }
}

/// Bytes that an unprivileged user can write to the file system of `dir`; `None` if unknown.
fn free_bytes(dir: &Path) -> Option<u64> {
    let existing = dir.ancestors().find(|path| path.exists())?;
    let system = rustix::fs::statvfs(existing).ok()?;
    Some(system.f_bavail * system.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(test: Test) -> bool {
        test.presence(&HostCompiler::Works("cc"), &Stop::default()) == Presence::Found
    }

    #[test]
    fn a_missing_program_is_noticed() {
        assert!(!passes(Test::Program("no-such-program".into())));
        assert!(passes(Test::Program("sh".into())));
    }

    #[test]
    fn disk_space_is_checked_for_a_directory_that_does_not_exist_yet() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("not/there/yet");
        assert!(passes(Test::DiskSpace { dir: dir.clone(), bytes: 1 }));
        assert!(!passes(Test::DiskSpace { dir, bytes: u64::MAX }));
    }

    #[test]
    fn debian_12_gets_bindgen_from_cargo_and_others_from_packages() {
        let apt = |needs: &[Need]| -> Vec<String> {
            needs.iter().flat_map(|need| need.packages(Manager::Apt)).map(str::to_owned).collect()
        };
        let commands = |needs: &[Need], manager| -> Vec<&'static str> {
            needs.iter().filter_map(|need| need.command(manager)).collect()
        };
        let bookworm = rust(Some("bookworm"), true);
        assert_eq!(apt(&bookworm), ["rustc-web", "rust-web-src", "libclang-19-dev"]);
        assert_eq!(commands(&bookworm, Manager::Apt), ["cargo install --locked bindgen-cli@0.72.1"]);
        assert!(commands(&bookworm, Manager::Dnf).is_empty());
        assert!(apt(&rust(Some("bookworm"), false)).contains(&"cargo-web".to_owned()));
        let newer = rust(Some("trixie"), false);
        assert_eq!(apt(&newer), ["rustc", "rust-src", "libclang-dev", "bindgen"]);
        assert!(commands(&newer, Manager::Apt).is_empty());
    }

    #[test]
    fn without_a_compiler_headers_are_searched_for_and_other_tests_wait() {
        let presence = |test: Test| test.presence(&HostCompiler::Missing, &Stop::default());
        assert_eq!(presence(Test::Header("stdio.h")), Presence::Found);
        assert_eq!(presence(Test::Header("no-such-header.h")), Presence::Missing);
        assert_eq!(presence(Test::Compiles32Bit), Presence::Unknown);
        assert_eq!(presence(Test::Compiler), Presence::Missing);
    }

    #[test]
    fn a_compiler_comes_from_the_package_of_its_version() {
        let packages = |cc: &str, manager| {
            let needs = compiler(cc);
            needs[0].packages(manager).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(packages("gcc", Manager::Apt), ["gcc", "libc6-dev"]);
        assert_eq!(packages("gcc-99", Manager::Apt), ["gcc-99", "libc6-dev"]);
        assert_eq!(packages("gcc-13", Manager::Zypper), ["gcc13", "glibc-devel"]);
        assert!(packages("/opt/tcc", Manager::Apt).is_empty());
        assert!(packages("gcc-wrapper", Manager::Apt).is_empty());
        assert_eq!(compiler("gcc-99")[0].what, "C compiler gcc-99");
    }

    #[test]
    fn a_clang_needs_the_llvm_tools_of_its_version() {
        let needs = compiler("clang-99");
        assert!(needs.len() > LLVM_TOOLS.len());
        for need in needs {
            let packages: Vec<_> = need.packages(Manager::Apt).collect();
            assert_eq!(packages, ["clang-99", "lld-99", "llvm-99"], "{}", need.what);
        }
    }
}
