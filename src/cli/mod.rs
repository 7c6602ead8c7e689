//! The command line: arguments, configuration file, output, and one file for each command.

pub mod args;
pub mod commands;
pub mod output;
pub mod progress;
