//! `doctor`: lists what a run needs and this host lacks.

use clap::Args;

use crate::base::error::{Exit, Failure};
use crate::base::options::{Goal, SandboxChoice};
use crate::base::sandbox::Sandbox;
use crate::cli::flags::InstallArgs;
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::{self, print};
use crate::cli::settings::Settings;
use crate::{doctor, pipeline};

/// Flags of `doctor`: the flags of the run to examine the host for.
#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    install: InstallArgs,
}

impl DoctorArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        Settings { install: self.install.clone(), ..self.settings.clone() }
    }
}

/// Prints the findings. With `--install-deps`, first installs the missing needs.
pub(in crate::cli) fn run(start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let (request, store) = (invocation.request()?, invocation.store_root()?);
    pipeline::check(&request, Goal::Everything)?;
    let host = request.host_request(Goal::Everything, &store);
    let mut findings = doctor::examine(host, &invocation.stop);
    if invocation.settings.install.install_deps {
        findings = doctor::install(host, &findings, &invocation.stop).map_err(|error| failure(&error))?;
    }
    print(&output::findings(&findings))?;
    doctor::require(&findings).map_err(|error| failure(&error))?;
    if request.sandbox == SandboxChoice::Required {
        Sandbox::find(&invocation.stop).map_err(|error| failure(&error))?;
    }
    Ok(Exit::Passed)
}
