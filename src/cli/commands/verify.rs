//! `verify`: checks whether a directory of packages is complete and unchanged.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::{Exit, Failure};
use crate::cli::flags::SourceArgs;
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::print;
use crate::cli::settings::Settings;
use crate::report::attest;

/// Flags of `verify`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// Directory of packages with their SHA256SUMS
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Keyring of trusted OpenPGP certificates; without it, signatures are not checked [default: none]
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
}

impl VerifyArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        let source = SourceArgs { keyring: self.keyring.clone(), ..SourceArgs::default() };
        Settings { source, ..Settings::default() }
    }
}

/// Checks a directory and prints the verdict. The configuration file's keyring is not used: it is for sources.
pub(in crate::cli) fn run(args: &VerifyArgs, start: &CommandLine) -> Result<Exit, Failure> {
    let keyring = start.flags.source.keyring.as_deref();
    let keyring = keyring.map(attest::keyring).transpose().map_err(|error| failure(&error))?;
    let verification =
        attest::check(&args.dir, keyring.as_ref(), &start.stop).map_err(|error| failure(&error))?;
    print(&verification.to_string())?;
    Ok(if verification.passed() { Exit::Passed } else { Exit::VerdictFailed })
}
