//! Doctor: what this host lacks for a run, and the one command that installs it.

use std::path::Path;

use crate::base::error::{Exit, Explain};
use crate::base::process::{self, Command};
use crate::base::stop::Stop;
use crate::kernel::host_packages::{Manager, Need};
use crate::kernel::kconfig::Kconfig;

mod needs;

/// The run that the host is examined for.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The C compiler, as `--cc` names it.
    pub cc: &'a str,
    pub kconfig: &'a Kconfig,
    /// A boot test is part of it.
    pub boots: bool,
    /// The store's folder; it need not exist.
    pub store: &'a Path,
}

/// A need with what was found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub need: Need,
    pub present: bool,
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
            Error::NoManager { .. } => Some("install these with your distribution's tools".into()),
            Error::Lacks { command: None, .. } => {
                Some("see to these yourself: no command that brings them is known for this host".into())
            }
            _ => None,
        }
    }

    fn log_and_tail(&self) -> (Option<&Path>, &[String]) {
        match self {
            Error::Install { source } => source.log_and_tail(),
            _ => (None, &[]),
        }
    }
}

/// Looks for each need on this host.
pub fn examine(job: Job, stop: &Stop) -> Vec<Finding> {
    let find = |need: Need| Finding { present: need.is_met(job.cc, stop), need };
    needs::needs(&job).into_iter().map(find).collect()
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
    let packages = missing_packages(findings, manager);
    let list = packages.join(" ");
    let packages = (!packages.is_empty()).then(|| match manager {
        Manager::Apt => format!("apt-get update && apt-get install -y --no-install-recommends {list}"),
        Manager::Dnf => format!("dnf install -y --setopt=install_weak_deps=False {list}"),
        Manager::Zypper => format!("zypper --non-interactive install --no-recommends {list}"),
    });
    let missing = findings.iter().filter(|finding| !finding.present);
    let others = missing.filter_map(|finding| finding.need.command(manager)).map(str::to_owned);
    let commands: Vec<String> = packages.into_iter().chain(others).collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

fn missing_packages(findings: &[Finding], manager: Manager) -> Vec<&str> {
    let mut packages: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| !finding.present) {
        for name in finding.need.packages(manager) {
            if !packages.contains(&name) {
                packages.push(name);
            }
        }
    }
    packages
}

fn missing(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter(|finding| !finding.present).map(|finding| finding.need.what.clone()).collect()
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
pub fn install(job: Job, findings: &[Finding], stop: &Stop) -> Result<Vec<Finding>, Error> {
    let missing = missing(findings);
    if missing.is_empty() {
        return Ok(findings.to_vec());
    }
    let Some(manager) = manager() else { return Err(Error::NoManager { missing }) };
    let Some(command) = install_command(findings, manager) else {
        return Err(Error::Lacks { missing, command: None });
    };
    if !missing_packages(findings, manager).is_empty() && !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot { command });
    }
    let mut install = Command::new("sh").args(["-c", &command]).env("DEBIAN_FRONTEND", "noninteractive");
    for (name, value) in std::env::vars_os().filter(|(name, _)| is_for_downloads(&name.to_string_lossy())) {
        install = install.env(name, value);
    }
    eprintln!("$ {command}");
    let shown = |line: &str| {
        eprintln!("{line}");
        process::Flow::Continue
    };
    install.on_line(shown).run(stop).map_err(|source| Error::Install { source })?;
    let findings = examine(job, stop);
    match self::missing(&findings) {
        left if left.is_empty() => Ok(findings),
        missing => Err(Error::StillMissing { missing }),
    }
}

/// What package managers and cargo reach the network by.
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
    fn what_no_package_brings_comes_after_the_packages() {
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
        assert!(missing_packages(&findings, Manager::Apt).is_empty(), "so that it needs no root");
    }

    #[test]
    fn only_what_downloads_need_is_handed_on() {
        for name in ["HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE", "CARGO_HOME", "RUSTUP_HOME"] {
            assert!(is_for_downloads(name), "{name}");
        }
        for name in ["HOME", "RUST_LOG", "LD_PRELOAD", "PROXY"] {
            assert!(!is_for_downloads(name), "{name}");
        }
    }

    #[test]
    fn nothing_missing_means_no_command() {
        assert_eq!(install_command(&[needs::finding("a", true, ["one"; 3])], Manager::Zypper), None);
    }
}
