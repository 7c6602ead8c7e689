//! What a run needs from its host, and which package brings it.

use std::path::{Path, PathBuf};

use crate::base::process::{self, Command};
use crate::base::stop::Stop;
use crate::kernel::toolchain::{self, LLVM_TOOLS, rust};

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Apt,
    Dnf,
    Zypper,
}

/// Something that a run needs from the host.
#[derive(Clone, Debug)]
pub struct Need {
    pub what: String,
    /// What uses it.
    pub used_for: &'static str,
    pub(crate) test: Test,
    pub(crate) packages: Packages,
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Program(PathBuf),
    /// The compiler finds this header.
    Header(&'static str),
    /// The compiler makes 32-bit code.
    Compiles32Bit,
    /// A rustc with the sources of its library.
    Rustc,
    Bindgen,
    Libclang,
    /// So many bytes are free where this folder is or will be.
    Room {
        folder: PathBuf,
        bytes: u64,
    },
}

/// The packages that bring it, by package manager; empty where no package could.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packages {
    apt: String,
    dnf: String,
    zypper: String,
    /// With this manager, what to run once its packages are there.
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
    /// None where no package helps.
    pub fn packages(&self, manager: Manager) -> impl Iterator<Item = &str> {
        let names = match manager {
            Manager::Apt => &self.packages.apt,
            Manager::Dnf => &self.packages.dnf,
            Manager::Zypper => &self.packages.zypper,
        };
        names.split_whitespace()
    }

    /// What brings it where packages alone do not.
    pub(crate) fn command(&self, manager: Manager) -> Option<&'static str> {
        self.packages.then.filter(|(of, _)| *of == manager).map(|(_, command)| command)
    }
}

/// What the tool needs on a host that it has not seen, for its own packages to name.
#[derive(Clone, Debug)]
pub struct ByUse {
    /// Of every run that builds and packages.
    pub build: Vec<Need>,
    pub boot: Vec<Need>,
    /// Of what a kconfig or a flag may ask for.
    pub optional: Vec<Need>,
}

impl ByUse {
    pub fn on_any_host() -> ByUse {
        let mut optional = vec![pahole()];
        optional.extend(rust(None, false));
        optional.extend(compiler("clang"));
        ByUse { build: build("gcc"), boot: boot(), optional }
    }
}

pub(crate) fn build(cc: &str) -> Vec<Need> {
    let mut needs = compiler(cc);
    needs.extend([
        program("make", "the build", "make"),
        program("flex", "the build (Kconfig)", "flex"),
        program("bison", "the build (Kconfig)", "bison"),
        program("bc", "the build (timeconst.h)", "bc"),
        program("perl", "the build (generated headers)", "perl"),
        tool("xz", "the build (compressed image)", ["xz-utils", "xz", "xz"]),
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

pub(crate) fn pahole() -> Need {
    program("pahole", "the build (DEBUG_INFO_BTF)", "dwarves")
}

pub(crate) fn boot() -> Vec<Need> {
    let packages = ["qemu-system-x86", "qemu-system-x86-core", "qemu-x86"];
    let compiler = Need {
        what: "32-bit code from the compiler".into(),
        used_for: "the boot test (32-bit tracee)",
        test: Test::Compiles32Bit,
        packages: Packages::everywhere("gcc"),
    };
    vec![tool("qemu-system-x86_64", "the boot test", packages), compiler]
}

/// The compiler and the binary utilities that kbuild uses with it.
fn compiler(cc: &str) -> Vec<Need> {
    let name = Path::new(cc).file_name().and_then(|name| name.to_str()).unwrap_or(cc);
    let Some(suffix) = name.strip_prefix("clang") else {
        let packages = Packages::each(["gcc libc6-dev", "gcc glibc-devel", "gcc glibc-devel"]);
        return vec![
            Need {
                what: "C compiler".into(),
                used_for: "the build",
                test: Test::Program(cc.into()),
                packages,
            },
            program("ld", "the build", "binutils"),
        ];
    };
    let packages = Packages {
        apt: format!("clang{suffix} lld{suffix} llvm{suffix}"),
        ..Packages::everywhere("clang lld llvm")
    };
    let path = process::find(cc).unwrap_or_else(|| cc.into());
    let mut needs = vec![Need {
        what: cc.into(),
        used_for: "the build",
        test: Test::Program(cc.into()),
        packages: packages.clone(),
    }];
    needs.extend(LLVM_TOOLS.iter().map(|(_, name)| {
        let tool = toolchain::llvm_tool(&path, name);
        Need {
            what: tool.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            used_for: "the build with clang",
            test: Test::Program(tool),
            packages: packages.clone(),
        }
    }));
    needs
}

/// What `CONFIG_RUST` needs. Debian 12 carries the newer compilers that its browsers are built with
/// under names of their own; its bindgen (0.60) is older than any that a release takes.
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

/// `bookworm`: <https://www.freedesktop.org/software/systemd/man/latest/os-release.html>
pub(crate) fn codename() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(value.trim_matches('"').to_owned())
}

fn program(name: &str, used_for: &'static str, package: &str) -> Need {
    tool(name, used_for, [package; 3])
}

pub(crate) fn tool(name: &str, used_for: &'static str, packages: [&str; 3]) -> Need {
    Need { what: name.into(), used_for, test: Test::Program(name.into()), packages: Packages::each(packages) }
}

fn header(what: &str, path: &'static str, used_for: &'static str, packages: [&str; 3]) -> Need {
    Need { what: what.into(), used_for, test: Test::Header(path), packages: Packages::each(packages) }
}

impl Test {
    pub(crate) fn passes(&self, cc: &str, stop: &Stop) -> bool {
        let compiles = |flags: &[&str], source: &str| {
            let Ok(dir) = tempfile::tempdir() else { return false };
            let file = dir.path().join("test.c");
            let written = std::fs::write(&file, source);
            let object: PathBuf = dir.path().join("test.o");
            let compile = Command::new(cc).args(flags).arg("-c").arg(&file).arg("-o").arg(&object);
            written.is_ok() && compile.run(stop).is_ok()
        };
        match self {
            Test::Program(name) => process::find(name).is_some(),
            Test::Header(path) => compiles(&[], &format!("#include <{path}>\n")),
            Test::Rustc => rust::rustc(&rust::Places::of_this_host(), stop).is_ok(),
            Test::Bindgen => rust::bindgen(&rust::Places::of_this_host(), stop).is_ok(),
            Test::Libclang => rust::libclang(&rust::Places::of_this_host()).is_ok(),
            Test::Compiles32Bit => compiles(&["-m32", "-ffreestanding"], "int f(void) { return 1; }\n"),
            Test::Room { folder, bytes } => free(folder).is_none_or(|free| free >= *bytes),
        }
    }
}

/// Bytes free for an ordinary user where `folder` is or will be; `None` where nobody can tell.
fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists())?;
    let system = rustix::fs::statvfs(there).ok()?;
    Some(system.f_bavail * system.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(test: Test) -> bool {
        test.passes("cc", &Stop::default())
    }

    #[test]
    fn an_absent_program_is_found_missing() {
        assert!(!passes(Test::Program("no-such-program".into())));
        assert!(passes(Test::Program("sh".into())));
    }

    #[test]
    fn room_is_looked_for_where_the_folder_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not/there/yet");
        assert!(passes(Test::Room { folder: folder.clone(), bytes: 1 }));
        assert!(!passes(Test::Room { folder, bytes: u64::MAX }));
    }

    #[test]
    fn debian_12_gets_bindgen_from_cargo_and_others_from_their_packages() {
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
    fn a_clang_brings_the_llvm_tools_of_its_own_version() {
        let needs = compiler("clang-99");
        assert!(needs.len() > LLVM_TOOLS.len());
        for need in needs {
            let packages: Vec<_> = need.packages(Manager::Apt).collect();
            assert_eq!(packages, ["clang-99", "lld-99", "llvm-99"], "{}", need.what);
        }
    }
}
