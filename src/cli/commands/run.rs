//! No subcommand, `fetch`, `patch`, `build` and `package`: every stage up to a goal.

use crate::base::error::{Exit, Failure};
use crate::base::options::Goal;
use crate::cli::flags::{
    CompilerArgs, InstallArgs, JobsArgs, KernelArgs, OutArgs, PackageArgs, ReleaseArgs, SandboxArgs,
    SeriesArgs, SourceArgs,
};
use crate::cli::invocation::{CommandLine, Invocation, failure};
use crate::cli::output::print;
use crate::cli::settings::{Settings, command_flags};
use crate::doctor;
use crate::pipeline::request::Request;
use crate::pipeline::{self, Finished};

command_flags! {
    /// Flags of `fetch`.
    FetchArgs { release: ReleaseArgs, source: SourceArgs, out: OutArgs }
}

command_flags! {
    /// Flags of `patch`.
    PatchArgs { release: ReleaseArgs, source: SourceArgs, series: SeriesArgs, compiler: CompilerArgs, out: OutArgs }
}

command_flags! {
    /// Flags of `build` and of `configure`.
    BuildArgs {
        release: ReleaseArgs,
        source: SourceArgs,
        series: SeriesArgs,
        kernel: KernelArgs,
        compiler: CompilerArgs,
        out: OutArgs,
        jobs: JobsArgs,
        sandbox: SandboxArgs,
        install: InstallArgs
    }
}

command_flags! {
    /// Flags of `package`.
    PackageStageArgs {
        release: ReleaseArgs,
        source: SourceArgs,
        series: SeriesArgs,
        kernel: KernelArgs,
        compiler: CompilerArgs,
        package: PackageArgs,
        out: OutArgs,
        jobs: JobsArgs,
        sandbox: SandboxArgs,
        install: InstallArgs
    }
}

/// Runs the pipeline up to `goal`.
pub(in crate::cli) fn run(start: CommandLine, goal: Goal) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let request = invocation.request_for(goal)?;
    pipeline::check(&request, goal)?;
    install_missing(&invocation, &request, goal)?;
    let cx = invocation.context_of(&request.out)?;
    let finished = pipeline::run(&cx, &request, goal)?;
    finish(&invocation, &finished)
}

/// Installs what the host lacks for the run, with `--install-deps`.
pub(super) fn install_missing(invocation: &Invocation, request: &Request, goal: Goal) -> Result<(), Failure> {
    if !invocation.flags.install.install_deps {
        return Ok(());
    }
    let store = invocation.store_root()?;
    let host = request.host_request(goal, &store);
    let findings = doctor::examine(host, &invocation.stop);
    doctor::install(host, &findings, &invocation.stop).map(drop).map_err(|error| failure(&error))
}

/// Prints the summary of a run.
pub(super) fn finish(invocation: &Invocation, finished: &Finished) -> Result<Exit, Failure> {
    if !invocation.prints_events() {
        print(&finished.summary())?;
    }
    Ok(finished.exit())
}
