//! `releases`: lists the releases that the sources offer.

use std::path::PathBuf;

use crate::base::error::{Exit, Failure};
use crate::cli::flags::SourceArgs;
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::{self, print};
use crate::cli::request;
use crate::cli::settings::{Settings, command_flags};
use crate::stages::fetch;

command_flags! {
    /// Flags of `releases`.
    ReleasesArgs { source: SourceArgs }
}

/// Prints every release that the sources list.
pub(in crate::cli) fn run(start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let sources = request::sources(&invocation.settings).map_err(|error| failure(&error))?;
    let cx = invocation.context(PathBuf::new())?;
    let listing = fetch::listing(&cx, &sources).map_err(|error| failure(&error))?;
    print(&output::releases(&listing))
}
