//! Doctor: what this host lacks for a run, and the one command that installs it.

use std::path::PathBuf;

use crate::error::{Exit, Explain};
use crate::pipeline::Goal;
use crate::process::{self, Command};
use crate::request::Request;
use crate::stop::Stop;

/// Something that a run needs from the host.
#[derive(Clone, Debug)]
pub struct Need {
    pub what: &'static str,
    /// What uses it.
    pub used_for: &'static str,
    test: Test,
    packages: Packages,
}

#[derive(Clone, Debug)]
enum Test {
    Program(String),
    /// The compiler finds this header.
    Header(&'static str),
    /// The compiler makes 32-bit code.
    Compiles32Bit,
}

/// The package that brings it, by package manager.
#[derive(Clone, Copy, Debug)]
struct Packages {
    apt: &'static str,
    dnf: &'static str,
    zypper: &'static str,
}

const fn everywhere(name: &'static str) -> Packages {
    Packages { apt: name, dnf: name, zypper: name }
}

/// A need with what was found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub need: Need,
    pub present: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Apt,
    Dnf,
    Zypper,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this host lacks {}", missing.join(", "))]
    Lacks { missing: Vec<String>, command: Option<String> },
    #[error("installing packages needs root")]
    NotRoot { command: String },
    #[error("no package manager that is known here (apt, dnf, zypper) was found")]
    NoManager { missing: Vec<String> },
    #[error("installing the missing packages failed")]
    Install { source: process::Error },
    #[error("still missing after the installation: {}", missing.join(", "))]
    StillMissing { missing: Vec<String> },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::HostLacks
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoManager { missing } => vec![format!("missing: {}", missing.join(", "))],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Lacks { command: Some(command), .. } => {
                Some(format!("run `{command}`, or add --install-deps to do that from here"))
            }
            Error::NotRoot { command } => Some(format!("run as root: {command}")),
            Error::Lacks { command: None, .. } | Error::NoManager { .. } => {
                Some("install these with your distribution's tools".into())
            }
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&std::path::Path>, &[String]) {
        match self {
            Error::Install { source } => source.log_and_tail(),
            _ => (None, &[]),
        }
    }
}

fn program(what: &'static str, used_for: &'static str, packages: Packages) -> Need {
    Need { what, used_for, test: Test::Program(what.to_owned()), packages }
}

/// What a run that builds needs, and what packaging and booting add.
pub fn needs(request: &Request, goal: Goal) -> Vec<Need> {
    let mut needs = vec![compiler(&request.cc)];
    needs.extend([
        program("make", "the build", everywhere("make")),
        program("ld", "the build", everywhere("binutils")),
        program("flex", "the build (Kconfig)", everywhere("flex")),
        program("bison", "the build (Kconfig)", everywhere("bison")),
        program("bc", "the build (timeconst.h)", everywhere("bc")),
        program("perl", "the build (generated headers)", everywhere("perl")),
        program("xz", "the build (compressed image)", Packages { apt: "xz-utils", dnf: "xz", zypper: "xz" }),
        program("zstd", "the build (compressed image)", everywhere("zstd")),
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
        program("depmod", "module dependencies", everywhere("kmod")),
    ]);
    if goal.boots() && request.boot.is_some() {
        let packages = Packages { apt: "qemu-system-x86", dnf: "qemu-system-x86-core", zypper: "qemu-x86" };
        needs.push(program("qemu-system-x86_64", "the boot test", packages));
        needs.push(Need {
            what: "32-bit code from the compiler",
            used_for: "the boot test (32-bit tracee)",
            test: Test::Compiles32Bit,
            packages: Packages { apt: "gcc", dnf: "gcc", zypper: "gcc" },
        });
    }
    needs
}

fn compiler(cc: &str) -> Need {
    let name = std::path::Path::new(cc).file_name().and_then(|name| name.to_str()).unwrap_or(cc);
    let packages = if name.starts_with("clang") {
        Packages { apt: "clang lld llvm", dnf: "clang lld llvm", zypper: "clang lld llvm" }
    } else {
        Packages { apt: "gcc libc6-dev", dnf: "gcc glibc-devel", zypper: "gcc glibc-devel" }
    };
    Need { what: "C compiler", used_for: "the build", test: Test::Program(cc.to_owned()), packages }
}

fn header(
    what: &'static str,
    path: &'static str,
    used_for: &'static str,
    [apt, dnf, zypper]: [&'static str; 3],
) -> Need {
    Need { what, used_for, test: Test::Header(path), packages: Packages { apt, dnf, zypper } }
}

/// Looks for each need on this host.
pub fn examine(request: &Request, goal: Goal, stop: &Stop) -> Vec<Finding> {
    let find = |need: Need| Finding { present: need.test.passes(&request.cc, stop), need };
    needs(request, goal).into_iter().map(find).collect()
}

impl Test {
    fn passes(&self, cc: &str, stop: &Stop) -> bool {
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
            Test::Compiles32Bit => compiles(&["-m32", "-ffreestanding"], "int f(void) { return 1; }\n"),
        }
    }
}

/// The package manager of this host.
pub fn manager() -> Option<Manager> {
    [("apt-get", Manager::Apt), ("dnf", Manager::Dnf), ("zypper", Manager::Zypper)]
        .into_iter()
        .find(|(program, _)| process::find(program).is_some())
        .map(|(_, manager)| manager)
}

/// The one command that installs what is missing; `None` if nothing is.
pub fn install_command(findings: &[Finding], manager: Manager) -> Option<String> {
    let mut packages: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| !finding.present) {
        let names = match manager {
            Manager::Apt => finding.need.packages.apt,
            Manager::Dnf => finding.need.packages.dnf,
            Manager::Zypper => finding.need.packages.zypper,
        };
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            if !packages.contains(&name) {
                packages.push(name);
            }
        }
    }
    let list = packages.join(" ");
    (!packages.is_empty()).then(|| match manager {
        Manager::Apt => format!("apt-get update && apt-get install -y --no-install-recommends {list}"),
        Manager::Dnf => format!("dnf install -y --setopt=install_weak_deps=False {list}"),
        Manager::Zypper => format!("zypper --non-interactive install --no-recommends {list}"),
    })
}

fn missing(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter(|finding| !finding.present).map(|finding| finding.need.what.to_owned()).collect()
}

/// Fails, with the command that would help, where something is missing.
pub fn require(findings: &[Finding]) -> Result<(), Error> {
    let missing = missing(findings);
    if missing.is_empty() {
        return Ok(());
    }
    let command = manager().and_then(|manager| install_command(findings, manager));
    Err(Error::Lacks { missing, command })
}

/// Installs what is missing and looks again.
pub fn install(
    request: &Request,
    goal: Goal,
    findings: &[Finding],
    stop: &Stop,
) -> Result<Vec<Finding>, Error> {
    if missing(findings).is_empty() {
        return Ok(findings.to_vec());
    }
    let Some(manager) = manager() else { return Err(Error::NoManager { missing: missing(findings) }) };
    let command = install_command(findings, manager).expect("something is missing");
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot { command });
    }
    let mut install = Command::new("sh").args(["-c", &command]).env("DEBIAN_FRONTEND", "noninteractive");
    for name in ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        if let Some(value) = std::env::var_os(name) {
            install = install.env(name, value);
        }
    }
    eprintln!("$ {command}");
    let shown = |line: &str| {
        eprintln!("{line}");
        process::Flow::Continue
    };
    install.on_line(shown).run(stop).map_err(|source| Error::Install { source })?;
    let findings = examine(request, goal, stop);
    match missing(&findings) {
        left if left.is_empty() => Ok(findings),
        missing => Err(Error::StillMissing { missing }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: &'static str, present: bool, packages: Packages) -> Finding {
        Finding { need: program(what, "a test", packages), present }
    }

    #[test]
    fn the_command_names_each_missing_package_once_and_no_present_one() {
        let findings = [
            finding("a", false, everywhere("one")),
            finding("b", false, everywhere("one")),
            finding("c", true, everywhere("two")),
            finding("d", false, Packages { apt: "three-dev", dnf: "three-devel", zypper: "three-devel" }),
        ];
        let command = install_command(&findings, Manager::Apt).unwrap();
        assert_eq!(command, "apt-get update && apt-get install -y --no-install-recommends one three-dev");
        let command = install_command(&findings, Manager::Dnf).unwrap();
        assert!(command.ends_with(" one three-devel"), "{command}");
    }

    #[test]
    fn nothing_missing_means_no_command() {
        assert_eq!(install_command(&[finding("a", true, everywhere("one"))], Manager::Zypper), None);
    }

    #[test]
    fn an_absent_program_is_found_missing() {
        assert!(!Test::Program("no-such-program".into()).passes("cc", &Stop::default()));
        assert!(Test::Program("sh".into()).passes("cc", &Stop::default()));
    }
}
