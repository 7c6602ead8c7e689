//! Checks the needs of a run on this host, and installs missing ones with one command.

use std::path::Path;

use crate::base::error::{Exit, Explain, FREE_SPACE, Failure};
use crate::base::options::SandboxChoice;
use crate::base::process::{self, Command};
use crate::base::stop::Stop;
use crate::base::text::visible;
use crate::kernel::host_packages::{HostCompiler, Manager, Need};
use crate::kernel::kconfig::Kconfig;

mod needs;

pub use crate::kernel::host_packages::Presence;

/// The run that the host must support.
#[derive(Clone, Copy, Debug)]
pub struct HostRequest<'a> {
    /// The C compiler, as given with `--cc`.
    pub cc: &'a str,
    /// The kernel configuration to build.
    pub kconfig: &'a Kconfig,
    /// Whether the run includes a boot test.
    pub boots: bool,
    /// Whether the build is confined.
    pub sandbox: SandboxChoice,
    /// Directory of the store; it need not exist.
    pub store: &'a Path,
}

/// The result of checking one need.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The need.
    pub need: Need,
    /// Whether this host has it.
    pub presence: Presence,
    /// Why what this host has is of no use.
    pub fault: Option<Failure>,
}

impl Finding {
    /// Whether the run cannot start without the need, and this host lacks it.
    fn is_missing(&self) -> bool {
        self.presence == Presence::Missing && !self.need.is_optional()
    }
}

/// Why a run cannot start on this host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host does not have everything that the run needs.
    #[error("missing on this host: {}", missing.join(", "))]
    Missing {
        /// The missing needs.
        missing: Vec<String>,
        /// The command that installs them; `None` if no package is known.
        command: Option<String>,
    },
    /// The host has what the run names, and it is of no use.
    #[error("{}", .0.message())]
    Unusable(Box<Failure>),
    /// This host lacks nothing but free space.
    #[error("missing on this host: {}", missing.join(", "))]
    NoSpace {
        /// The missing needs.
        missing: Vec<String>,
    },
    /// The installation needs root.
    #[error("installing packages requires root")]
    NotRoot {
        /// The command to run as root.
        command: String,
    },
    /// This host has no supported package manager.
    #[error("found no supported package manager (apt, dnf, zypper)")]
    NoManager {
        /// The missing needs.
        missing: Vec<String>,
    },
    /// The installation failed.
    #[error("cannot install the missing packages")]
    Install {
        /// The cause.
        source: process::Error,
    },
    /// The installation succeeded but did not provide everything.
    #[error("still missing after the installation: {}", missing.join(", "))]
    StillMissing {
        /// The missing needs.
        missing: Vec<String>,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Unusable(failure) => failure.exit,
            _ => Exit::HostLacks,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unusable(failure) => failure.facts.clone(),
            Error::NoManager { missing } => vec![format!("missing: {}", missing.join(", "))],
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Missing { command: Some(command), .. } => Some(format!(
                "run `{command}`, or `kpatch-build doctor --install-deps` with the flags of this run"
            )),
            Error::NoSpace { .. } => Some(FREE_SPACE.into()),
            Error::Unusable(failure) => failure.next_step.clone(),
            Error::NotRoot { command } => Some(format!("run as root: {command}")),
            Error::Missing { command: None, .. } | Error::NoManager { .. } => {
                Some("install these with the tools of your distribution".into())
            }
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Install { source } => source.log_and_tail(),
            Error::Unusable(failure) => (failure.log.as_deref(), &failure.tail),
            _ => (None, &[]),
        }
    }
}

/// Checks each need of the run on this host.
pub fn examine(request: HostRequest, stop: &Stop) -> Vec<Finding> {
    let compiler = HostCompiler::examine(request.cc, stop);
    let find =
        |need: Need| Finding { presence: need.presence(&compiler, stop), fault: need.fault(&compiler), need };
    needs::needs(&request).into_iter().map(find).collect()
}

/// Fails if the store has too little space for a build with this configuration.
///
/// # Errors
/// [`Error::NoSpace`].
pub fn require_space(kconfig: &Kconfig, store: &Path, stop: &Stop) -> Result<(), Error> {
    let need = needs::store_space(kconfig, store);
    match need.presence(&HostCompiler::Missing, stop) {
        Presence::Missing => Err(Error::NoSpace { missing: vec![need.what] }),
        Presence::Found | Presence::Unknown => Ok(()),
    }
}

/// Returns the package manager of this host, if it is supported.
pub fn manager() -> Option<Manager> {
    [("apt-get", Manager::Apt), ("dnf", Manager::Dnf), ("zypper", Manager::Zypper)]
        .into_iter()
        .find(|(program, _)| process::find(program).is_some())
        .map(|(_, manager)| manager)
}

/// Returns the shell command that installs the missing needs; `None` if none is missing or no package is known.
pub fn install_command(findings: &[Finding], manager: Manager) -> Option<String> {
    let commands = install_commands(findings, manager);
    // Every word is plain: no shell would read it as more than one word.
    (!commands.is_empty())
        .then(|| commands.iter().map(|command| command.join(" ")).collect::<Vec<_>>().join(" && "))
}

/// The commands of [`install_command`] in the order to run them, each a program with its arguments.
fn install_commands(findings: &[Finding], manager: Manager) -> Vec<Vec<String>> {
    let packages = missing_packages(findings, manager);
    let mut commands: Vec<Vec<String>> = Vec::new();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    if !packages.is_empty() {
        let mut install = match manager {
            Manager::Apt => {
                commands.push(words("apt-get update"));
                words("apt-get install -y --no-install-recommends")
            }
            Manager::Dnf => words("dnf install -y --setopt=install_weak_deps=False"),
            Manager::Zypper => words("zypper --non-interactive install --no-recommends"),
        };
        install.extend(packages.into_iter().map(str::to_owned));
        commands.push(install);
    }
    let missing = findings.iter().filter(|finding| finding.presence == Presence::Missing);
    commands.extend(missing.filter_map(|finding| finding.need.command(manager)).map(words));
    commands
}

fn missing_packages(findings: &[Finding], manager: Manager) -> Vec<&str> {
    let mut packages: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.presence == Presence::Missing) {
        for name in finding.need.packages(manager) {
            if !packages.contains(&name) {
                packages.push(name);
            }
        }
    }
    packages
}

fn missing(findings: &[Finding]) -> Vec<String> {
    let missing = findings.iter().filter(|finding| finding.is_missing());
    missing.map(|finding| finding.need.what.clone()).collect()
}

/// Whether nothing is missing but free space.
fn lacks_only_space(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| !finding.is_missing() || finding.need.is_disk_space())
}

/// Fails if a program or a file is missing. Whether the run needs space depends on what the store has:
/// [`require_space`].
///
/// # Errors
/// [`Error::Missing`], with the command that installs the missing needs.
pub fn require_programs(findings: &[Finding]) -> Result<(), Error> {
    let programs: Vec<_> = findings.iter().filter(|finding| !finding.need.is_disk_space()).cloned().collect();
    require(&programs)
}

/// Fails if a need is missing.
///
/// # Errors
/// [`Error::Unusable`]; [`Error::Missing`], with the command that installs the missing needs; [`Error::NoSpace`].
pub fn require(findings: &[Finding]) -> Result<(), Error> {
    require_usable(findings)?;
    let missing = missing(findings);
    if missing.is_empty() {
        return Ok(());
    }
    if lacks_only_space(findings) {
        return Err(Error::NoSpace { missing });
    }
    let command = manager().and_then(|manager| install_command(findings, manager));
    Err(Error::Missing { missing, command })
}

/// Fails if a program that the run names is there but of no use: no package changes that.
fn require_usable(findings: &[Finding]) -> Result<(), Error> {
    match findings.iter().find_map(|finding| finding.fault.clone()) {
        Some(fault) => Err(Error::Unusable(Box::new(fault))),
        None => Ok(()),
    }
}

/// Installs the missing needs and checks again. Shows the command and its output on standard error.
///
/// # Errors
/// [`Error::Unusable`], [`Error::NotRoot`] without root unless no package is needed, [`Error::NoManager`] and
/// [`Error::Missing`] if no command is known, [`Error::Install`] if the command fails, [`Error::StillMissing`] if a need
/// is still missing.
pub fn install(request: HostRequest, findings: &[Finding], stop: &Stop) -> Result<Vec<Finding>, Error> {
    require_usable(findings)?;
    // No package adds space; whether the run needs it is known later.
    let missing = missing(findings);
    if lacks_only_space(findings) {
        return Ok(findings.to_vec());
    }
    let Some(manager) = manager() else { return Err(Error::NoManager { missing }) };
    let Some(command) = install_command(findings, manager) else {
        return Err(Error::Missing { missing, command: None });
    };
    if !missing_packages(findings, manager).is_empty() && !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot { command });
    }
    eprintln!("$ {}", visible(&command));
    for command in install_commands(findings, manager) {
        let mut install =
            Command::new(&command[0]).args(&command[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        for (name, value) in std::env::vars_os().filter(|(name, _)| is_for_downloads(&name.to_string_lossy()))
        {
            install = install.env(name, value);
        }
        let shown = |line: &str| {
            eprintln!("{line}");
            process::Flow::Continue
        };
        install.on_line(shown).run(stop).map_err(|source| Error::Install { source })?;
    }
    let findings = examine(request, stop);
    match lacks_only_space(&findings) {
        true => Ok(findings),
        false => Err(Error::StillMissing { missing: self::missing(&findings) }),
    }
}

/// Whether package managers or cargo use this environment variable to download.
fn is_for_downloads(variable: &str) -> bool {
    ["http_proxy", "https_proxy", "no_proxy"].contains(&variable.to_lowercase().as_str())
        || ["SSL_CERT_", "CARGO_", "RUSTUP_"].iter().any(|start| variable.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_each_missing_package_once_and_no_present_one() {
        let findings = [
            needs::finding("a", false, ["one"; 3]),
            needs::finding("b", false, ["one"; 3]),
            needs::finding("c", true, ["two"; 3]),
            needs::finding("d", false, ["three-dev", "three-devel", "three-devel"]),
        ];
        let command = install_command(&findings, Manager::Apt).unwrap();
        assert_eq!(command, "apt-get update && apt-get install -y --no-install-recommends one three-dev");
        let command = install_command(&findings, Manager::Dnf).unwrap();
        assert!(command.ends_with(" one three-devel"), "{command}");
    }

    #[test]
    fn commands_for_needs_without_a_package_follow_the_packages() {
        let mut findings = needs::of_rust_on_debian_12();
        let command = install_command(&findings, Manager::Apt).unwrap();
        assert!(
            command.ends_with(
                "rustc-web rust-web-src libclang-19-dev && cargo install --locked bindgen-cli@0.72.1"
            ),
            "{command}"
        );
        findings.retain(|finding| finding.need.what == "bindgen");
        let command = install_command(&findings, Manager::Apt).unwrap();
        assert_eq!(command, "cargo install --locked bindgen-cli@0.72.1");
        assert!(missing_packages(&findings, Manager::Apt).is_empty(), "then no root is required");
    }

    #[test]
    fn only_variables_for_downloads_are_passed_on() {
        for name in ["HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE", "CARGO_HOME", "RUSTUP_HOME"] {
            assert!(is_for_downloads(name), "{name}");
        }
        for name in ["HOME", "RUST_LOG", "LD_PRELOAD", "PROXY"] {
            assert!(!is_for_downloads(name), "{name}");
        }
    }

    #[test]
    fn missing_space_is_not_answered_with_an_installation() {
        let space = Need::disk_space("6 GiB of free space".into(), "the store", Path::new("/"), u64::MAX);
        let mut findings = vec![needs::found(space, false), needs::finding("a", true, ["one"; 3])];
        assert!(require(&findings).unwrap_err().next_step().unwrap().starts_with("free space"));
        findings[1].presence = Presence::Missing;
        assert!(matches!(require(&findings), Err(Error::Missing { .. })));
    }

    #[test]
    fn a_compilers_name_never_adds_a_word_to_a_command() {
        for cc in ["clang;touch X;", "clang-19 evil", "clang$(id)", "./clang`id`"] {
            let needs = crate::kernel::host_packages::build(cc);
            let findings: Vec<_> = needs.into_iter().map(|need| needs::found(need, false)).collect();
            for command in install_commands(&findings, Manager::Apt) {
                let plain =
                    |word: &String| word.chars().all(|c| c.is_ascii_alphanumeric() || "-+._".contains(c));
                assert!(command.iter().all(plain), "{cc}: {command:?}");
            }
        }
    }

    #[test]
    fn nothing_missing_means_no_command() {
        assert_eq!(install_command(&[needs::finding("a", true, ["one"; 3])], Manager::Zypper), None);
    }
}
