//! The command line as a page of the book, in Markdown: every command, its flags by heading, values and defaults.

use std::fmt::Write;

use clap::{Arg, Command};

use super::args;

const HEAD: &str = "\
<!-- Generated from the command line's definition by `just cli-reference`; do not edit. -->

# Command line

Flags of a run may be before or after the subcommand: `kpatch-build --release 6.1.y build` and
`kpatch-build build --release 6.1.y` are the same. A flag that a command does not use is an error. The long flags are
the keys of the [configuration file](config-file.md) too. Every command accepts the global options and `--help`. For
exit codes, see [Exit status](exit-status.md).
";

/// The heading of flags that have none.
const OWN: &str = "Options";

/// Returns the page. Hidden commands and flags are not on it.
pub fn page() -> String {
    let mut definition = args::command("kpatch-build");
    definition.build();
    let mut page = HEAD.to_owned() + &section(&definition, &[]);
    let run: Vec<&Arg> = definition.get_arguments().collect();
    subcommands(&mut page, &definition, &run);
    page
}

fn subcommands(page: &mut String, parent: &Command, run: &[&Arg]) {
    let shown =
        parent.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for command in shown {
        *page += &section(command, run);
        subcommands(page, command, run);
    }
}

/// One command: description, usage, arguments and flags. Flags that it shares with `run`, the flags
/// of a whole run, are named only.
fn section(command: &Command, run: &[&Arg]) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let about: Vec<_> = about.split("\n\n").map(sentence).collect();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let mut text = format!("\n## `{name}`\n\n{}\n\n```text\n{usage}\n```\n", about.join("\n\n"));
    let is_known =
        |flag: &&Arg| !flag.is_hide_set() && !["help", "version"].contains(&flag.get_id().as_str());
    let is_shared = |flag: &&Arg| {
        run.iter().any(|shared| shared.get_id() == flag.get_id() && shared.get_help() == flag.get_help())
    };
    let (shared, own): (Vec<&Arg>, Vec<&Arg>) = command.get_arguments().filter(is_known).partition(is_shared);
    for heading in headings(&own) {
        write!(text, "\n**{heading}**\n\n").expect("writing to a String cannot fail");
        own.iter().filter(|flag| heading_of(flag) == heading).for_each(|flag| text += &entry(flag));
    }
    let shared: Vec<_> =
        shared.iter().filter(|flag| !flag.is_global_set()).filter_map(|flag| flag.get_long()).collect();
    if !shared.is_empty() {
        let list: Vec<_> = shared.iter().map(|flag| format!("`--{flag}`")).collect();
        let list = list.join(", ");
        write!(text, "\nFlags of a run (see [`kpatch-build`](#kpatch-build)): {list}.\n")
            .expect("writing to a String cannot fail");
    }
    text
}

/// The headings in the order of their first flags.
fn headings<'a>(flags: &[&'a Arg]) -> Vec<&'a str> {
    let mut headings: Vec<&str> = Vec::new();
    for heading in flags.iter().map(|flag| heading_of(flag)) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

fn heading_of(flag: &Arg) -> &str {
    match flag.is_positional() {
        true => "Arguments",
        false => flag.get_help_heading().unwrap_or(OWN),
    }
}

/// One item of a list: names and values, description, possible values and default.
fn entry(flag: &Arg) -> String {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let (help, default) = split_default(&help);
    let mut text = format!("- {}: {}", names(flag), sentence(&escape(help)));
    let values: Vec<_> =
        flag.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if takes_value(flag) && !flag.is_hide_possible_values_set() && !values.is_empty() {
        write!(text, " Values: {}.", values.join(", ")).expect("writing to a String cannot fail");
    }
    let given: Vec<_> = flag.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_value(flag) && !given.is_empty() {
        write!(text, " Default: `{}`.", given.join(",")).expect("writing to a String cannot fail");
    } else if let Some(default) = default {
        write!(text, " Default: {}.", escape(default)).expect("writing to a String cannot fail");
    }
    text + "\n"
}

/// `-o`, `--out DIR`; a positional argument by its value's name.
fn names(flag: &Arg) -> String {
    let values = flag.get_value_names().unwrap_or_default();
    let value = values.first().map(ToString::to_string).unwrap_or_default();
    if flag.is_positional() {
        return format!("`{value}`");
    }
    let value = match takes_value(flag) {
        true if flag.is_require_equals_set() => format!("[={value}]"),
        true => format!(" {value}"),
        false => String::new(),
    };
    let short = flag.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let long = flag.get_long().map(|long| format!("`--{long}{value}`")).unwrap_or_default();
    format!("{short}{long}")
}

fn takes_value(flag: &Arg) -> bool {
    flag.get_action().takes_values()
}

/// Splits a help text into the description and the default.
fn split_default(help: &str) -> (&str, Option<&str>) {
    match help.split_once("[default: ") {
        Some((help, default)) => (help.trim_end(), Some(default.strip_suffix(']').unwrap_or(default))),
        None => (help, None),
    }
}

/// Markdown would read `<series>` as HTML.
fn escape(text: &str) -> String {
    text.replace('<', "\\<").replace('>', "\\>")
}

/// The text with a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::builder::PossibleValuesParser;

    #[test]
    fn a_flag_has_its_names_values_and_default() {
        let flag = Arg::new("x").short('x').long("ex").value_name("WAY").help("A way [default: -<a>]");
        assert_eq!(entry(&flag), "- `-x`, `--ex WAY`: A way. Default: -\\<a\\>.\n");
        let flag = Arg::new("x").long("ex").value_name("WAY").default_value("a").help("A way");
        let flag = flag.value_parser(PossibleValuesParser::new(["a", "b"]));
        assert_eq!(entry(&flag), "- `--ex WAY`: A way. Values: `a`, `b`. Default: `a`.\n");
    }
}
