//! `console`: reads a saved log of a kernel's console.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use fs_err::File;
use serde::Serialize;

use crate::base::error::{Exit, Failure};
use crate::base::text;
use crate::claims::console::{Complaint, Console, KernelMessages};
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::{InputError, print};
use crate::cli::settings::Settings;

/// Flags of `console`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConsoleArgs {
    /// Log of a kernel's console, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the complaints as JSON
    #[arg(long)]
    json: bool,
}

impl ConsoleArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        Settings::default()
    }
}

/// The output of `--json`.
#[derive(Serialize)]
struct Document<'c> {
    schema: &'static str,
    kernel_messages: KernelMessages,
    /// The first 1000.
    complaints: &'c [Complaint],
    /// The number of complaints beyond these.
    further: u64,
}

/// Prints the complaints of a log, and fails if there is one.
pub(in crate::cli) fn run(args: &ConsoleArgs, _: &CommandLine) -> Result<Exit, Failure> {
    let console = read(&args.file).map_err(|error| failure(&InputError(error)))?;
    print(&if args.json { json(&console) } else { table(&console) })?;
    Ok(if console.complaints.is_empty() { Exit::Passed } else { Exit::VerdictFailed })
}

fn read(file: &Path) -> io::Result<Console> {
    let input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    Console::read(BufReader::with_capacity(1 << 16, input))
}

fn json(console: &Console) -> String {
    let document = Document {
        schema: "kpatch-build/console/1",
        kernel_messages: console.messages,
        complaints: &console.complaints,
        further: console.further,
    };
    serde_json::to_string_pretty(&document).expect("names and numbers") + "\n"
}

fn table(console: &Console) -> String {
    if console.complaints.is_empty() {
        return "the kernel did not complain\n".to_owned();
    }
    let row = |complaint: &Complaint| vec![format!("line {}", complaint.line), complaint.name.clone()];
    let rows = text::columns(&console.complaints.iter().map(row).collect::<Vec<_>>());
    match console.further {
        0 => rows,
        further => format!("{rows}and {further} more\n"),
    }
}
