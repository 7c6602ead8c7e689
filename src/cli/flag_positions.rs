//! Flags before a subcommand: each must be one that the subcommand uses.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::base::error::{Exit, Explain};

/// A flag before a subcommand that does not use it. Nothing has been written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagPositionError {
    #[error("`--{flag}` has no effect on `{command}`")]
    NoEffect { flag: String, old_names: Vec<String>, command: String },
    /// The subcommand has a flag of the same name with other values.
    #[error("`--{flag}` before `{command}` has no effect")]
    Before { flag: String, command: String },
}

impl Explain for FlagPositionError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn facts(&self) -> Vec<String> {
        match self {
            FlagPositionError::NoEffect { flag, old_names, .. } => {
                old_names.iter().map(|old| format!("`--{old}` is the old name of `--{flag}`")).collect()
            }
            FlagPositionError::Before { .. } => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            FlagPositionError::NoEffect { flag, .. } => Some(format!("leave out `--{flag}`")),
            FlagPositionError::Before { flag, command } => {
                Some(format!("write `--{flag}` after `{command}`"))
            }
        }
    }
}

/// Refuses flags before a subcommand that does not use them; clap refuses those after it.
pub(super) fn check(definition: &Command, matches: &ArgMatches) -> Result<(), FlagPositionError> {
    let (mut leaf, mut leaf_matches, mut names) = (definition, matches, Vec::new());
    while let Some((name, matches)) = leaf_matches.subcommand() {
        leaf = leaf.find_subcommand(name).expect("clap matched it");
        leaf_matches = matches;
        names.push(name);
    }
    if names.is_empty() {
        return Ok(());
    }
    let command = names.join(" ");
    let is_given =
        |flag: &&Arg| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
    for flag in definition.get_arguments().filter(|flag| !flag.is_global_set()).filter(is_given) {
        if leaf.get_arguments().any(|known| known.get_id() == flag.get_id()) {
            continue;
        }
        let (long, command) = (flag.get_long(), command.clone());
        let old_names = flag.get_all_aliases().unwrap_or_default().into_iter().map(str::to_owned).collect();
        let flag = long.expect("every argument here is a flag").to_owned();
        return Err(match leaf.get_arguments().any(|known| known.get_long() == long) {
            true => FlagPositionError::Before { flag, command },
            false => FlagPositionError::NoEffect { flag, old_names, command },
        });
    }
    Ok(())
}
