//! Runs programs for their versions.

use std::path::Path;
use std::time::Duration;

use super::error::Error;
use crate::base::process::{self, Command};
use crate::base::stop::{Interrupted, Stop};

/// Programs print their version at once; rustup's rustc may first search for the right toolchain.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Runs `program` with the argument `flag` and returns its standard output.
pub(super) fn query(program: &Path, flag: &str, stop: &Stop) -> Result<String, Error> {
    match Command::new(program).arg(flag).deadline(DEADLINE).capture().run(stop) {
        Ok(output) => Ok(output.text()),
        Err(process::Error::Interrupted { .. }) => Err(Interrupted.into()),
        Err(source) => Err(Error::Run { program: program.display().to_string(), source }),
    }
}

/// The version number that follows `mark` in `output`.
pub(super) fn number_after(output: &str, mark: &str, program: &Path) -> Result<String, Error> {
    let unreadable = || Error::Version { program: program.display().to_string(), output: first_line(output) };
    let (_, rest) = output.split_once(mark).ok_or_else(unreadable)?;
    let number: String = rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    if number.is_empty() { Err(unreadable()) } else { Ok(number) }
}

pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
