//! `boot`: the boot test alone.

use std::path::PathBuf;

use clap::Args;

use super::run::{finish, install_missing};
use crate::base::error::{Exit, Failure};
use crate::base::options::Goal;
use crate::cli::flags::{
    CompilerArgs, GuestArgs, InstallArgs, JobsArgs, KernelArgs, NoBootArgs, OutArgs, ReleaseArgs,
    SandboxArgs, SeriesArgs, SourceArgs,
};
use crate::cli::invocation::CommandLine;
use crate::cli::settings::{Settings, command_flags};
use crate::pipeline;

/// Flags of `boot`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BootArgs {
    /// Boot this image instead of building one [default: none]
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Open a shell in the guest instead of running the probe
    #[arg(long)]
    shell: bool,
    #[command(flatten)]
    kernel: BootedKernelArgs,
}

command_flags! {
    /// Flags of a kernel that is booted and not packaged.
    BootedKernelArgs {
        release: ReleaseArgs,
        source: SourceArgs,
        series: SeriesArgs,
        kernel: KernelArgs,
        compiler: CompilerArgs,
        guest: GuestArgs,
        out: OutArgs,
        jobs: JobsArgs,
        sandbox: SandboxArgs,
        install: InstallArgs
    }
}

impl BootArgs {
    /// Returns the flags as settings. The command outranks a `no-boot` in the configuration file.
    pub(crate) fn settings(&self) -> Settings {
        Settings { no_boot: NoBootArgs { no_boot: Some(false) }, ..self.kernel.settings() }
    }
}

/// Boots the kernel that the flags describe, or an image.
pub(in crate::cli) fn run(args: &BootArgs, start: CommandLine) -> Result<Exit, Failure> {
    if args.image.is_none() && !args.shell {
        return super::run::run(start, Goal::Boot);
    }
    let invocation = start.read_file()?;
    let request = invocation.request()?;
    pipeline::check(&request, Goal::Boot)?;
    if args.image.is_none() {
        install_missing(&invocation, &request, Goal::Boot)?;
    }
    let cx = invocation.context_of(&request.out)?;
    let image = match &args.image {
        Some(image) => image.clone(),
        None => pipeline::built_image(&cx, &request)?,
    };
    if args.shell {
        pipeline::shell(&cx, &request, &image)?;
        return Ok(Exit::Passed);
    }
    let finished = pipeline::boot_image(&cx, &request, &image)?;
    finish(&invocation, &finished)
}
