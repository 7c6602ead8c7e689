//! `plan`: shows what a run would do.

use clap::Args;

use crate::base::error::{Exit, Failure};
use crate::cli::invocation::CommandLine;
use crate::cli::output::{self, print};
use crate::cli::settings::Settings;
use crate::pipeline;

/// Flags of `plan`: the flags of a run, and `--explain`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// Print each stage's cache key and whether the store has it
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    settings: Settings,
}

impl PlanArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.clone()
    }
}

/// Prints the plan of every stage.
pub(in crate::cli) fn run(args: &PlanArgs, start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let request = invocation.request()?;
    let cx = invocation.context_of(&request.out)?;
    let (plan, keys) = pipeline::plan(&cx, &request)?;
    print(&output::plan(&plan, args.explain.then_some(&keys[..])))
}
