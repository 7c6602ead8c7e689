//! The binary: the supervisor of another program, or the command line.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use kpatch_build::base::{process, program_name};
use kpatch_build::cli;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if let Some(program) = args.next() {
        program_name::set(&program);
    }
    if let Some(mode) = args.next().filter(|mode| process::is_supervisor(mode)) {
        let rest: Vec<_> = args.collect();
        return ExitCode::from(process::supervise(&mode.to_string_lossy(), &rest) as u8);
    }
    ExitCode::from(cli::run() as u8)
}
