//! `configure`: every stage up to the `.config`, and what differs in it.

use super::run::install_missing;
use crate::base::error::{Exit, Failure};
use crate::base::files;
use crate::base::options::Goal;
use crate::base::text::columns;
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::{InputError, print};
use crate::kernel::kconfig::{self, FileKind, Kconfig};
use crate::pipeline;
use crate::report::{Configuration, DroppedOption};

/// Configures the kernel and prints the result.
pub(in crate::cli) fn run(start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let request = invocation.request_for(Goal::Configure)?;
    pipeline::check(&request, Goal::Configure)?;
    install_missing(&invocation, &request, Goal::Configure)?;
    let cx = invocation.context_of(&request.out)?;
    let finished = pipeline::run(&cx, &request, Goal::Configure)?;
    let configuration = finished.report.configuration.as_ref().expect("the run reached its goal");
    if !invocation.prints_events() {
        print(&text(configuration)?)?;
    }
    Ok(Exit::Passed)
}

fn text(configuration: &Configuration) -> Result<String, Failure> {
    let mut text = format!("{}\n", configuration.config.display());
    if !configuration.dropped.is_empty() {
        text += "\nnot as the configuration says:\n";
        let row = |option: &DroppedOption| vec![option.request.clone(), option.reason.clone()];
        text += &columns(&configuration.dropped.iter().map(row).collect::<Vec<_>>());
    }
    let shipped = configuration.files.iter().find(|file| file.taken_for == FileKind::Shipped);
    if let Some(base) = shipped {
        let rows = differences(&base.name, configuration)?;
        if !rows.is_empty() {
            text += &format!("\nnot as in the kconfig {}:\n{}", base.name, columns(&rows));
        }
    }
    Ok(text)
}

/// One row for each option of the shipped kconfig `base` that has another value: option, shipped value, actual value.
fn differences(base: &str, configuration: &Configuration) -> Result<Vec<Vec<String>>, Failure> {
    let shipped = Kconfig::load(&[base.to_owned()]).map_err(|error| failure(&error))?;
    let config = files::read_text(&configuration.config).map_err(|error| failure(&InputError(error)))?;
    let values = kconfig::option_check::values(&config);
    let row = |(symbol, option): (&String, &kconfig::RequestedOption)| {
        let actual = values.get(symbol).map_or("n", String::as_str);
        let row = vec![format!("CONFIG_{symbol}"), option.value.clone(), format!("is {actual}")];
        (actual != option.value && !(option.optional && actual == "n")).then_some(row)
    };
    Ok(shipped.options.iter().filter_map(row).collect())
}
