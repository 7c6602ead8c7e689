//! `cli-reference`: the page of the book that describes the command line.

use crate::base::error::{Exit, Failure};
use crate::cli::invocation::CommandLine;
use crate::cli::output::print;
use crate::cli::reference;

/// The name that the book uses, whatever this program's file is called.
const NAME: &str = "kpatch-build";

/// Prints the page.
pub(in crate::cli) fn run(start: &CommandLine) -> Result<Exit, Failure> {
    print(&reference::page((start.definition)(NAME)))
}
