//! The command line's definition: `--help`, completions, manual pages and the reference come from it.

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::commands::{
    boot, cache, cli_reference, compare, completions, doctor, man, package_self, plan, releases, repo,
    reproduce, run, series, verify,
};
use super::flags::GlobalArgs;
use super::invocation::CommandLine;
use super::settings::Settings;
use crate::base::error::{Exit, Explain, Failure};
use crate::base::options::Goal;
use crate::base::program_name;
use crate::base::stop::Stop;

const EXAMPLES: &str = "\
Examples:
  Build, package and boot-test the newest 6.1.y with the default series:
      kpatch-build --release 6.1.y

  Reproduce the bug that the series address, on the same kernel:
      kpatch-build --release 6.1.y --series zeroed --format none --out zeroed

  Build your own tree with your own series, with debug information, without the boot test:
      kpatch-build --source dir:linux --release 6.12.43 --series ./my-series \\
                   --kconfig boot,debug --no-boot

Exit status:
    0  passed
    1  a verdict failed: a claim, a comparison or a check
    2  wrong usage or configuration; nothing was written
    3  a stage failed
   69  the host lacks something; `kpatch-build doctor` lists it
  130  interrupted";

/// Build, package and boot-test Linux kernels with the io_thread register series
///
/// Fetches and verifies the upstream source of a kernel release, applies one of the io_thread register series, builds
/// the kernel, writes .deb and .rpm packages, and boots the kernel in QEMU, where a probe checks what the series claims.
/// Without a subcommand, every stage runs.
#[derive(Parser, Debug)]
#[command(name = "kpatch-build", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
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
    /// Run every stage up to the kernel build
    Build(run::BuildArgs),
    /// Run every stage up to packaging
    Package(run::PackageStageArgs),
    /// Build and boot-test a kernel, or boot-test the one in --image
    Boot(boot::BootArgs),
    /// Build and boot several series, in C and in Rust, and show them side by side on one page
    Compare(compare::CompareArgs),
    /// Check a directory of packages: checksums, signatures, and whether its documents agree
    Verify(verify::VerifyArgs),
    /// Rebuild the packages of a report.json from scratch and compare them bit for bit
    Reproduce(reproduce::ReproduceArgs),
    /// Publish the packages of a directory in a signed apt repository and a signed dnf repository
    Repo(repo::RepoArgs),
    /// List the releases that the sources offer
    Releases(releases::ReleasesArgs),
    /// Show the series, or check whether they apply to a release
    Series {
        #[command(subcommand)]
        action: series::Action,
    },
    /// List what this host lacks for the run that the flags describe
    Doctor(doctor::DoctorArgs),
    /// List or remove what the store holds
    Cache {
        #[command(subcommand)]
        action: cache::Action,
    },
    /// Package this program, with manual pages, completions and a timer, as a distribution would
    PackageSelf(package_self::PackageSelfArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one page for each subcommand to a directory
    Man(man::ManArgs),
    /// Print the command-line reference in Markdown
    #[command(hide = true)]
    CliReference,
    /// Answered by the program's first lines, before the arguments are parsed.
    #[command(name = crate::base::process::SUPERVISE, hide = true)]
    Supervise,
}

/// Returns the definition for a program that is called `name`.
pub fn command(name: &str) -> clap::Command {
    let name = name.to_owned();
    let examples = program_name::in_commands(EXAMPLES, &name);
    Cli::command().after_help(examples).display_name(&name).bin_name(&name).name(name)
}

/// Parses the arguments of this process and runs the command that they name. Prints help and mistakes in the
/// arguments and ends the process, as clap does.
///
/// # Errors
/// Whatever ended the command.
pub(super) fn run(stop: Stop) -> Result<Exit, Failure> {
    let matches = command(program_name::get()).get_matches();
    check_places(&matches).map_err(|error| Failure::new(None, &error))?;
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let before = Settings { global: cli.global, ..cli.settings };
    let after = cli.command.as_ref().map(Command::settings).unwrap_or_default();
    let start = CommandLine { flags: after.or(before), stop, definition: command };
    match cli.command {
        None => run::run(start, Goal::Everything),
        Some(command) => command.run(start),
    }
}

impl Command {
    /// Returns the flags after the subcommand.
    fn settings(&self) -> Settings {
        match self {
            Command::Plan(args) => args.settings(),
            Command::Fetch(args) => args.settings(),
            Command::Patch(args) => args.settings(),
            Command::Build(args) => args.settings(),
            Command::Package(args) => args.settings(),
            Command::Boot(args) => args.settings(),
            Command::Compare(args) => args.settings(),
            Command::Verify(args) => args.settings(),
            Command::Reproduce(args) => args.settings(),
            Command::Repo(args) => args.settings(),
            Command::Releases(args) => args.settings(),
            Command::Series { action } => action.settings(),
            Command::Doctor(args) => args.settings(),
            Command::PackageSelf(args) => args.settings(),
            Command::Cache { .. }
            | Command::Completions(_)
            | Command::Man(_)
            | Command::CliReference
            | Command::Supervise => Settings::default(),
        }
    }

    fn run(self, start: CommandLine) -> Result<Exit, Failure> {
        match self {
            Command::Plan(args) => plan::run(&args, start),
            Command::Fetch(_) => run::run(start, Goal::Fetch),
            Command::Patch(_) => run::run(start, Goal::Patch),
            Command::Build(_) => run::run(start, Goal::Build),
            Command::Package(_) => run::run(start, Goal::Package),
            Command::Boot(args) => boot::run(&args, start),
            Command::Compare(args) => compare::run(&args, start),
            Command::Verify(args) => verify::run(&args, &start),
            Command::Reproduce(args) => reproduce::run(args, start),
            Command::Repo(args) => repo::run(args, start),
            Command::Releases(_) => releases::run(start),
            Command::Series { action } => series::run(&action, start),
            Command::Doctor(_) => doctor::run(start),
            Command::Cache { action } => cache::run(&action, start),
            Command::PackageSelf(args) => package_self::run(&args, start),
            Command::Completions(args) => completions::run(&args, &start),
            Command::Man(args) => man::run(&args, &start),
            Command::CliReference => cli_reference::run(&start),
            Command::Supervise => unreachable!("the supervisor parses no arguments"),
        }
    }
}

/// A flag before a subcommand that does not use it. Nothing has been written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum PlaceError {
    #[error("`--{flag}` has no effect on `{command}`")]
    NoEffect { flag: String, command: String },
    /// The subcommand has a flag of the same name with other values.
    #[error("`--{flag}` before `{command}` has no effect")]
    Before { flag: String, command: String },
}

impl Explain for PlaceError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        match self {
            PlaceError::NoEffect { flag, .. } => Some(format!("leave out `--{flag}`")),
            PlaceError::Before { flag, command } => Some(format!("write `--{flag}` after `{command}`")),
        }
    }
}

/// Refuses flags before a subcommand that does not use them; clap refuses those after it.
fn check_places(matches: &ArgMatches) -> Result<(), PlaceError> {
    let definition = Cli::command();
    let (mut leaf, mut leaf_matches, mut names) = (&definition, matches, Vec::new());
    while let Some((name, matches)) = leaf_matches.subcommand() {
        leaf = leaf.find_subcommand(name).expect("clap matched it");
        leaf_matches = matches;
        names.push(name);
    }
    if names.is_empty() {
        return Ok(());
    }
    let command = names.join(" ");
    let is_given = |flag: &&clap::Arg| {
        matches.value_source(flag.get_id().as_str()) == Some(clap::parser::ValueSource::CommandLine)
    };
    for flag in definition.get_arguments().filter(|flag| !flag.is_global_set()).filter(is_given) {
        if leaf.get_arguments().any(|known| known.get_id() == flag.get_id()) {
            continue;
        }
        let (long, command) = (flag.get_long(), command.clone());
        let flag = long.expect("every argument here is a flag").to_owned();
        return Err(match leaf.get_arguments().any(|known| known.get_long() == long) {
            true => PlaceError::Before { flag, command },
            false => PlaceError::NoEffect { flag, command },
        });
    }
    Ok(())
}
