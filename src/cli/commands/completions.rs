//! `completions`: a script for a shell.

use clap::Args;

use crate::base::error::{Exit, Failure};
use crate::base::program_name;
use crate::cli::invocation::CommandLine;
use crate::cli::output::print;

/// Arguments of `completions`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(in crate::cli) fn run(args: &CompletionsArgs, start: &CommandLine) -> Result<Exit, Failure> {
    let name = program_name::get();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut (start.definition)(name), name, &mut script);
    print(&String::from_utf8_lossy(&script))
}
