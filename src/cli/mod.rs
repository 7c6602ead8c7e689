//! The command line: flags, configuration file, output, and one file for each command.

pub mod args;
mod commands;
mod config_file;
mod flag_positions;
mod flags;
mod invocation;
mod output;
mod progress;
pub mod reference;
mod request;
mod settings;
mod suggested;

use std::cell::Cell;
use std::rc::Rc;

use crate::base::error::{Exit, Explain, Failure};
use crate::base::events::Event;
use crate::base::options::ProgressMode;
use crate::base::stop::Stop;

#[derive(Debug, thiserror::Error)]
#[error("cannot handle signals")]
struct SignalError(#[source] std::io::Error);

impl Explain for SignalError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs the command that this process's arguments name; reports its failure on standard error.
pub fn run() -> Exit {
    // Other programs of this user, such as a build without a sandbox, can then read neither the memory nor the environment.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let progress: Rc<Cell<ProgressMode>> = Rc::default();
    let (stop, outcome) = match Stop::on_signals() {
        Ok(stop) => (stop.clone(), args::run(stop, &progress)),
        Err(source) => (Stop::default(), Err(Failure::new(None, &SignalError(source)))),
    };
    let failure = match outcome {
        Ok(exit) => return exit,
        // An interruption outranks whatever error it caused.
        Err(failure) if stop.is_set() => Failure::interrupted(failure.stage),
        Err(failure) => failure,
    };
    if progress.get() == ProgressMode::Json {
        progress::renderer(ProgressMode::Json, false).send(failed(&failure));
    }
    eprintln!("{failure}");
    failure.exit
}

/// The last event of a run that fails, from its command line on.
fn failed(failure: &Failure) -> Event {
    Event::Failed {
        stage: failure.stage,
        exit: failure.exit as u8,
        message: failure.message(),
        facts: failure.facts.clone(),
        next_step: failure.next_step.clone(),
    }
}
