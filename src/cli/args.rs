//! The command line. Completions and the man page are generated from the same definition.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::base::options::{Compression, Format, ProgressMode};
use crate::base::program_name as name;
use crate::pipeline::settings::Settings;
use crate::reproduce::Wish;

const EXAMPLES: &str = "\
Examples:
  Build, package and boot-test the newest 6.1.y with the default series:
      kpatch-build --release 6.1.y

  Show the bug that the series are about, on the same kernel:
      kpatch-build --release 6.1.y --series zeroed --format none --out zeroed

  Build a tree and a series of your own, debuggable, without the boot test:
      kpatch-build --source dir:linux --release 6.12.43 --series ./my-series \\
                   --kconfig boot,debug --no-boot

Exit status: 0 passed, 1 a verdict failed, 2 wrong usage or configuration, 3 a stage failed,
69 the host lacks something (see `kpatch-build doctor`), 130 interrupted.";

/// From a kernel release number to packages that have booted.
///
/// Fetches and verifies the upstream source of a kernel release, applies one of the io_thread
/// register series, builds it, writes .deb and .rpm packages and boots the result in QEMU, where
/// a probe decides whether the series does what it claims. Without a subcommand: all of it.
#[derive(Parser, Debug)]
#[command(name = "kpatch-build", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: Settings,
    /// Install what `doctor` finds missing before anything else; needs root [default: only say it]
    #[arg(long, help_heading = "How to run")]
    pub install_deps: bool,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Folder of everything reusable [default: kpatch-build in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub store: Option<PathBuf>,
    /// Configuration file [default: kpatch-build.toml in the working directory, where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// Use only what the store holds, never the network [default: off]
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub offline: bool,
    /// How progress is shown; json writes one event a line to standard output
    /// [default: auto]
    #[arg(long, global = true, value_enum, help_heading = "Everywhere")]
    pub progress: Option<ProgressMode>,
}

// Parsed once: that one variant is larger than another costs nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show what would be done: the exact release, its source, toolchain and names
    Plan {
        #[command(flatten)]
        settings: Settings,
        /// Print each stage's cache key and whether the store has it [default: leave it out]
        #[arg(long)]
        explain: bool,
    },
    /// Fetch and verify a release's source into the store
    Fetch(Stage),
    /// Fetch, unpack and apply the series
    Patch(Stage),
    /// All up to the built kernel
    Build(Stage),
    /// All up to the packages
    Package(Stage),
    /// Boot-test a kernel: the one that the flags describe, or --image
    Boot {
        #[command(flatten)]
        settings: Settings,
        /// Judge this image, built elsewhere [default: build one]
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        /// Give a shell in the guest [default: run the probe]
        #[arg(long)]
        shell: bool,
    },
    /// Build and boot several series, in C and in Rust, and show them side by side on one page
    Compare {
        #[command(flatten)]
        settings: Settings,
        /// Make the page again from this compare.json [default: measure]
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Put the matrix between the marking lines of this Markdown file [default: no file]
        #[arg(long, value_name = "FILE")]
        update: Option<PathBuf>,
    },
    /// Check a folder of packages: checksums, signatures, and that its documents agree
    Verify {
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// OpenPGP certificates of those who may have signed [default: signatures are not checked]
        #[arg(long, value_name = "FILE")]
        keyring: Option<PathBuf>,
    },
    /// Build the packages of a report.json again, from nothing, and compare them bit for bit
    Reproduce(Wish),
    /// Make a signed apt repository and a signed dnf repository of the packages in a folder
    Repo(Repo),
    /// List the releases that the sources offer
    Releases(Stage),
    /// Show the series, or try them on a release
    Series {
        #[command(subcommand)]
        action: SeriesAction,
    },
    /// List what this host lacks for the run that the flags describe
    Doctor {
        #[command(flatten)]
        settings: Settings,
        /// Run the command that installs what is missing; needs root [default: only say it]
        #[arg(long)]
        install_deps: bool,
    },
    /// Show or clean the store
    Cache {
        #[command(subcommand)]
        action: CacheAction,
    },
    /// Package this tool itself, with manual pages, completions and a timer, as a distribution would
    PackageSelf(PackageSelf),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or write it and one for each subcommand to a folder
    Man { dir: Option<PathBuf> },
    #[command(name = crate::base::process::SUPERVISE, hide = true)]
    Supervise,
}

#[derive(Args, Debug)]
pub struct Stage {
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Args, Debug)]
pub struct Repo {
    /// Folder that is searched for .deb and .rpm files, with the folders below it; these packages
    /// are published, and no others
    pub dir: PathBuf,
    /// OpenPGP secret key that signs the indexes and the rpms
    /// [default: the configuration file's; there must be one]
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
    /// Folder to be served, made or brought up to date [default: repository]
    #[arg(long, value_name = "DIR", default_value = "repository", hide_default_value = true)]
    pub out: PathBuf,
    /// Where clients will find that folder; written into the ready-made entries for apt and dnf
    /// [default: https://kernels.invalid, to be edited]
    #[arg(long, value_name = "URL", default_value = crate::repo::PLACEHOLDER, hide_default_value = true)]
    pub url: String,
    /// Generations that stay, indexes and packages, for clients that began with them; the new one
    /// among them [default: 3]
    #[arg(long, value_name = "COUNT", default_value = "3", hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
}

#[derive(Args, Debug)]
pub struct PackageSelf {
    /// Package formats [default: deb,rpm]
    #[arg(short, long, value_enum, value_delimiter = ',', value_name = "FORMAT")]
    pub format: Vec<Format>,
    /// How the packages are compressed [default: xz, which the oldest supported distributions read]
    #[arg(long, value_enum)]
    pub compression: Option<Compression>,
    /// Counts rebuilds of the same version [default: 1]
    #[arg(long, value_name = "N")]
    pub revision: Option<std::num::NonZeroU32>,
    /// Folder for the packages [default: dist]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[allow(clippy::large_enum_variant)]
#[derive(Subcommand, Debug)]
pub enum SeriesAction {
    /// One line for each shipped series
    List,
    /// What a series changes, who argued for it, its patches and claims
    Show { name: String },
    /// Apply every series to a release, without building, and print a table
    Check(Stage),
}

#[derive(Subcommand, Debug)]
pub enum CacheAction {
    /// Entries of the store with their sizes
    List,
    /// Remove entries, named as `list` shows them
    Remove {
        #[arg(required = true, value_name = "ROOM/ENTRY")]
        entries: Vec<String>,
    },
    /// Remove everything
    Clear,
}

/// The definition, for a program that is called `name`.
pub fn command(name: &str) -> clap::Command {
    let name = name.to_owned();
    let examples = name::in_commands(EXAMPLES, &name);
    Cli::command().after_help(examples).display_name(&name).bin_name(&name).name(name)
}

impl Cli {
    /// The settings given on the command line, before the subcommand or after it.
    pub fn settings(&self) -> Settings {
        let after = match &self.command {
            Some(
                Command::Plan { settings, .. }
                | Command::Boot { settings, .. }
                | Command::Compare { settings, .. }
                | Command::Doctor { settings, .. },
            ) => settings.clone(),
            Some(
                Command::Fetch(stage)
                | Command::Patch(stage)
                | Command::Build(stage)
                | Command::Package(stage)
                | Command::Releases(stage)
                | Command::Series { action: SeriesAction::Check(stage) },
            ) => stage.settings.clone(),
            _ => Settings::default(),
        };
        after.or(self.settings.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn settings_may_stand_before_or_after_the_subcommand() {
        for args in
            [["kpatch-build", "--release", "6.1.y", "build"], ["kpatch-build", "build", "--release", "6.1.y"]]
        {
            let cli = Cli::parse_from(args);
            assert_eq!(cli.settings().release.as_deref(), Some("6.1.y"));
            assert!(matches!(cli.command, Some(Command::Build(_))));
        }
    }

    #[test]
    fn every_flag_tells_what_it_does_and_its_default() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let Some(flag) = arg.get_long().filter(|flag| !["help", "version"].contains(flag)) else {
                    continue;
                };
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("[default: "), "--{flag} of {}: {help:?}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
