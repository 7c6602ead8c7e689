//! `series`: shows the shipped series, and checks whether they apply.

use std::path::PathBuf;

use clap::Subcommand;

use crate::base::error::{Exit, Failure};
use crate::base::options::Goal;
use crate::cli::flags::{CompilerArgs, ReleaseArgs, SeriesArgs, SourceArgs};
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::{self, print};
use crate::cli::settings::{Settings, command_flags};
use crate::pipeline;
use crate::pipeline::request::Request;

/// An action on the series.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Action {
    /// List the shipped series with the lines of releases that they support
    List,
    /// Show what a series changes, who proposed it, and its patches
    Show {
        /// Name of a shipped series (see `series list`)
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Check whether every shipped series, or the one of --series, applies to a release, without a build
    Check(CheckArgs),
}

command_flags! {
    /// Flags of `series check`.
    CheckArgs { release: ReleaseArgs, source: SourceArgs, series: SeriesArgs, compiler: CompilerArgs }
}

impl Action {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        match self {
            Action::Check(args) => args.settings(),
            Action::List | Action::Show { .. } => Settings::default(),
        }
    }
}

/// Prints one series, all of them, or how they apply to a release.
pub(in crate::cli) fn run(action: &Action, start: CommandLine) -> Result<Exit, Failure> {
    match action {
        Action::List => print(&output::series_list().map_err(|error| failure(&error))?),
        Action::Show { name } => print(&output::series(name).map_err(|error| failure(&error))?),
        Action::Check(_) => check(start),
    }
}

fn check(start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    // The configuration file's series is the one to build, not a reason to check no other one.
    let SeriesArgs { series: only, lang } = invocation.flags.series.clone();
    let mut request = invocation.request()?;
    request.lang = lang.first().copied().unwrap_or_default();
    if let Some(name) = &only {
        let named = Request { series: name.clone(), ..request.clone() };
        pipeline::check(&named, Goal::Patch)?;
    }
    let cx = invocation.context(PathBuf::new())?;
    let checks = pipeline::check_series(&cx, request, only.as_deref(), &lang)?;
    print(&output::series_table(&checks))?;
    let good = checks.iter().all(|check| check.applicability.is_good());
    Ok(if good { Exit::Passed } else { Exit::StageFailed })
}
