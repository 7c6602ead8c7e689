//! `man`: manual pages.

use std::path::PathBuf;

use clap::Args;
use fs_err as fs;

use crate::base::error::{Exit, Explain, Failure};
use crate::base::program_name;
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::print;

/// Arguments of `man`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ManArgs {
    /// Directory for one page per subcommand; without it, the main page goes to standard output
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write the manual pages to {}", dir.display())]
struct Error {
    dir: PathBuf,
    source: std::io::Error,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Prints the main page, or writes all pages.
pub(in crate::cli) fn run(args: &ManArgs, start: &CommandLine) -> Result<Exit, Failure> {
    let definition = (start.definition)(program_name::get());
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(definition).render(&mut page).expect("writing to a Vec cannot fail");
        return print(&String::from_utf8_lossy(&page));
    };
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(definition, dir));
    written.map_err(|source| failure(&Error { dir: dir.clone(), source }))?;
    Ok(Exit::Passed)
}
