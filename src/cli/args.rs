//! The command line's definition: `--help`, completions, manual pages and the reference come from it.

use std::cell::Cell;
use std::rc::Rc;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::commands::{
    boot, cache, compare, completions, configure, console, doctor, man, package_self, plan, releases, repo,
    reproduce, run, series, verify,
};
use super::flag_positions;
use super::flags::{GlobalArgs, InstallArgs};
use super::invocation::CommandLine;
use super::request;
use super::settings::Settings;
use crate::base::error::{Exit, Failure};
use crate::base::options::{Goal, ProgressMode};
use crate::base::program_name;
use crate::base::stop::Stop;
use crate::pipeline::request::Request;

const EXAMPLES: &str = "\
Examples:
  Build, package and boot-test the newest 6.1.y with the default series:
      kpatch-build --release 6.1.y

  Reproduce the bug that the series address, on the same kernel:
      kpatch-build --release 6.1.y --series zeroed --format none --out zeroed

  Build your own tree with your own series, with debug information, without the boot test:
      kpatch-build --source dir:linux --release 6.12.43 --series ./my-series \\
                   --kconfig boot,debug-info --no-boot

Exit status:
    0  passed
    1  a verdict failed: a claim, a comparison or a check
    2  wrong usage or configuration; nothing was written
    3  a stage failed
   69  the host lacks something; `kpatch-build doctor` lists it
  130  interrupted";

/// Build, package and boot-test Linux kernels with the io_thread register series
///
/// Fetches and verifies the upstream source of a kernel release, applies one of the io_thread register series,
/// builds the kernel, writes .deb and .rpm packages, and boots the kernel in QEMU, where a probe checks what the
/// series claims. Without a subcommand, every stage runs.
#[derive(Parser, Debug)]
#[command(name = "kpatch-build", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    install: InstallArgs,
    #[command(flatten)]
    global: GlobalArgs,
}

// Parsed once: a variant that is larger than the others costs nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Subcommand, Debug)]
enum Command {
    /// Show what a run would do: the exact release, its source, toolchain and names
    Plan(plan::PlanArgs),
    /// Fetch and verify a release's source
    Fetch(run::FetchArgs),
    /// Run every stage up to the patched source tree
    Patch(run::PatchArgs),
    /// Run every stage up to the kernel's configuration, and show how it differs from the request
    Configure(run::BuildArgs),
    /// Run every stage up to the kernel build
    Build(run::BuildArgs),
    /// Run every stage up to packaging
    Package(run::PackageStageArgs),
    /// Boot-test a kernel: the one that the flags describe, or an image
    Boot(boot::BootArgs),
    /// Build and boot several series and show them side by side on one page
    Compare(compare::CompareArgs),
    /// Check the checksums, signatures and documents of a directory of packages
    Verify(verify::VerifyArgs),
    /// Rebuild the packages of a report.json from scratch and compare them bit for bit
    Reproduce(reproduce::ReproduceArgs),
    /// Publish a directory of packages as signed apt and dnf repositories
    Repo(repo::RepoArgs),
    /// List the releases that the sources offer
    Releases(releases::ReleasesArgs),
    /// List what the kernel complains about in a log of its console
    Console(console::ConsoleArgs),
    /// Show the series, or check whether they apply to a release
    Series {
        #[command(subcommand)]
        action: series::Action,
    },
    /// List what this host lacks for a run with these flags
    Doctor(doctor::DoctorArgs),
    /// List or remove entries of the store
    Cache {
        #[command(subcommand)]
        action: cache::Action,
    },
    /// Package this program with its manual pages, completions and a timer
    PackageSelf(package_self::PackageSelfArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one page for each subcommand to a directory
    Man(man::ManArgs),
    /// Handled by `main` before the arguments are parsed.
    #[command(name = crate::base::process::SUPERVISE, hide = true)]
    Supervise,
}

/// Returns the definition for a program that is called `name`.
pub(crate) fn command(name: &str) -> clap::Command {
    let name = name.to_owned();
    let examples = program_name::in_commands(EXAMPLES, &name);
    Cli::command().after_help(examples).display_name(&name).bin_name(&name).name(name)
}

/// Parses the arguments of this process and runs the command that they name; `progress` becomes how the command shows its
/// progress. Prints help and mistakes in the
/// arguments and ends the process, as clap does.
///
/// # Errors
/// The failure that ended the command.
pub(super) fn run(stop: Stop, progress: &Rc<Cell<ProgressMode>>) -> Result<Exit, Failure> {
    let matches = command(program_name::get()).get_matches();
    flag_positions::check(&Cli::command(), &matches).map_err(|error| Failure::new(None, &error))?;
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let before = Settings { install: cli.install, global: cli.global, ..cli.settings };
    let after = cli.command.as_ref().map(Command::settings).unwrap_or_default();
    let flags = after.or(before);
    progress.set(flags.global.progress.unwrap_or_default());
    let start = CommandLine { flags, stop, progress: Rc::clone(progress), definition: command };
    match cli.command {
        None => run::run(start, Goal::Everything),
        Some(command) => command.run(start),
    }
}

/// Returns the request that a command line describes, without a configuration file. `words` starts with the name of
/// the program.
///
/// # Errors
/// A word is wrong, or a file that the flags name cannot be used. Mistakes that clap finds end the process.
pub fn request(words: &[&str]) -> Result<Request, Failure> {
    let cli = Cli::parse_from(words);
    let after = cli.command.as_ref().map(Command::settings).unwrap_or_default();
    request::request(&after.or(cli.settings), Goal::Everything).map_err(|error| Failure::new(None, &error))
}

impl Command {
    /// Returns the flags after the subcommand.
    fn settings(&self) -> Settings {
        match self {
            Command::Plan(args) => args.settings(),
            Command::Fetch(args) => args.settings(),
            Command::Patch(args) => args.settings(),
            Command::Configure(args) => args.settings(),
            Command::Build(args) => args.settings(),
            Command::Package(args) => args.settings(),
            Command::Boot(args) => args.settings(),
            Command::Compare(args) => args.settings(),
            Command::Verify(args) => args.settings(),
            Command::Console(args) => args.settings(),
            Command::Reproduce(args) => args.settings(),
            Command::Repo(args) => args.settings(),
            Command::Releases(args) => args.settings(),
            Command::Series { action } => action.settings(),
            Command::Doctor(args) => args.settings(),
            Command::PackageSelf(args) => args.settings(),
            Command::Cache { .. } | Command::Completions(_) | Command::Man(_) | Command::Supervise => {
                Settings::default()
            }
        }
    }

    fn run(self, start: CommandLine) -> Result<Exit, Failure> {
        match self {
            Command::Plan(args) => plan::run(&args, start),
            Command::Fetch(_) => run::run(start, Goal::Fetch),
            Command::Patch(_) => run::run(start, Goal::Patch),
            Command::Configure(_) => configure::run(start),
            Command::Build(_) => run::run(start, Goal::Build),
            Command::Package(_) => run::run(start, Goal::Package),
            Command::Boot(args) => boot::run(&args, start),
            Command::Compare(args) => compare::run(&args, start),
            Command::Verify(args) => verify::run(&args, &start),
            Command::Console(args) => console::run(&args, &start),
            Command::Reproduce(args) => reproduce::run(args, start),
            Command::Repo(args) => repo::run(args, start),
            Command::Releases(_) => releases::run(start),
            Command::Series { action } => series::run(&action, start),
            Command::Doctor(_) => doctor::run(start),
            Command::Cache { action } => cache::run(&action, start),
            Command::PackageSelf(args) => package_self::run(&args, start),
            Command::Completions(args) => completions::run(&args, &start),
            Command::Man(args) => man::run(&args, &start),
            Command::Supervise => unreachable!("the supervisor parses no arguments"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Explain;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_is_about_the_name_that_was_typed() {
        let mut command = command("kb");
        let help = command.render_long_help().to_string();
        assert!(help.contains("\n      kb --release 6.1.y\n") && help.contains("Usage: kb "), "{help}");
        assert!(command.render_version().starts_with("kb "));
    }

    #[test]
    fn flags_may_be_before_or_after_the_subcommand_and_those_after_it_win() {
        for words in [
            &["kpatch-build", "--release", "6.1.5", "build"][..],
            &["kpatch-build", "build", "--release", "6.1.5"],
            &["kpatch-build", "--release", "6.1.6", "build", "--release", "6.1.5"],
        ] {
            assert_eq!(request(words).unwrap().sources.release, "6.1.5".parse().unwrap(), "{words:?}");
        }
    }

    fn position(words: &[&str]) -> Result<(), flag_positions::FlagPositionError> {
        let definition = Cli::command();
        flag_positions::check(&definition, &definition.clone().try_get_matches_from(words).unwrap())
    }

    #[test]
    fn a_flag_before_a_subcommand_that_does_not_use_it_is_refused() {
        let text = |words: &[&str]| position(words).unwrap_err().to_string();
        let words = ["kpatch-build", "--format", "deb", "releases"];
        assert_eq!(text(&words), "`--format` has no effect on `releases`");
        assert!(
            Cli::command().try_get_matches_from(["kpatch-build", "releases", "--format", "deb"]).is_err()
        );
        let words = ["kpatch-build", "--release", "6.1.y", "series", "list"];
        assert_eq!(text(&words), "`--release` has no effect on `series list`");
        let words = ["kpatch-build", "--format", "deb", "compare"];
        assert_eq!(text(&words), "`--format` before `compare` has no effect");
        let words = ["kpatch-build", "--signing-key", "k", "fetch"];
        assert_eq!(
            position(&words).unwrap_err().facts(),
            ["`--signing-key` is the old name of `--openpgp-key`"]
        );
        let words = ["kpatch-build", "--install-deps", "plan"];
        assert_eq!(text(&words), "`--install-deps` has no effect on `plan`");
        for words in [
            &["kpatch-build", "--format", "deb"][..],
            &["kpatch-build", "--format", "deb", "package"],
            &["kpatch-build", "--release", "6.1.y", "series", "check"],
            &["kpatch-build", "--store", "s", "--offline", "cache", "list"],
            &["kpatch-build", "--keyring", "k", "verify", "dist"],
            &["kpatch-build", "--openpgp-key", "k", "repo", "dist"],
            &["kpatch-build", "--install-deps", "doctor"],
            &["kpatch-build", "compare", "-f", "html"],
            &["kpatch-build", "package-self", "-f", "deb"],
        ] {
            assert_eq!(position(words), Ok(()), "{words:?}");
        }
    }

    /// Calls `check` for every argument that a user can see, and its command.
    fn for_each_argument(check: impl Fn(&clap::Command, &clap::Arg) + Copy) {
        fn walk(command: &clap::Command, check: impl Fn(&clap::Command, &clap::Arg) + Copy) {
            let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
            shown
                .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
                .for_each(|argument| check(command, argument));
            command.get_subcommands().for_each(|command| walk(command, check));
        }
        walk(&Cli::command(), check);
    }

    #[test]
    fn an_option_with_a_value_has_a_default_and_a_switch_has_none() {
        for_each_argument(|command, argument| {
            let Some(flag) = argument.get_long() else { return };
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let is_switch = !argument.get_action().takes_values() || argument.is_require_equals_set();
            let has_default = help.contains("[default: ") || !argument.get_default_values().is_empty();
            assert_eq!(has_default, !is_switch, "--{flag} of {}: {help:?}", command.get_name());
            assert!(!help.ends_with('.') && help.len() > 10, "--{flag} of {}: {help:?}", command.get_name());
        });
    }

    #[test]
    fn every_positional_argument_has_help_and_a_value_name() {
        for_each_argument(|command, argument| {
            if argument.is_positional() {
                assert!(argument.get_help().is_some(), "{argument} of {}", command.get_name());
                let name = &argument.get_value_names().unwrap()[0];
                assert!(name.chars().all(|c| c.is_uppercase() || "/_".contains(c)), "{name}");
            }
        });
    }

    #[test]
    fn a_path_or_an_address_has_the_value_name_that_says_so() {
        for_each_argument(|command, argument| {
            let Some(flag) = argument.get_long() else { return };
            let wanted = match flag {
                "out" | "store" => "DIR",
                "config" | "image" | "from" | "update" | "keyring" => "FILE",
                flag if flag.ends_with("-key") || flag.ends_with("-cert") => "FILE",
                flag if flag.ends_with("-mirror") || flag == "url" => "URL",
                _ => return,
            };
            let names = argument.get_value_names().unwrap();
            assert_eq!(names, [wanted], "--{flag} of {}", command.get_name());
        });
    }

    #[test]
    fn the_old_names_of_flags_are_hidden_and_still_work() {
        for (old, new) in [
            ("sign-key", "secure-boot-key"),
            ("sign-cert", "secure-boot-cert"),
            ("signing-key", "openpgp-key"),
        ] {
            let flags = |flag: &str| Cli::parse_from(["kpatch-build", &format!("--{flag}"), "k"]).settings;
            assert_eq!(flags(old), flags(new));
            assert!(!Cli::command().render_long_help().to_string().contains(&format!("--{old}")), "{old}");
        }
    }
}
