//! `package-self`: packages this program as a distribution would.

use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use fs_err as fs;

use crate::base::error::{Exit, Explain, Failure};
use crate::base::options::{Compression, Format, Timestamp};
use crate::cli::flags::{KernelArgs, OutArgs, PackageArgs};
use crate::cli::invocation::{CommandLine, Invocation, failure};
use crate::cli::output::print;
use crate::cli::request::{self, OUT};
use crate::cli::settings::Settings;
use crate::stages::package;
use crate::stages::package::self_package::{self, Completions, NAME, SelfPackageRequest};

/// Flags of `package-self`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PackageSelfArgs {
    /// Package formats [default: deb,rpm]
    // Its id differs from that of a kernel's package formats, which may be `none`.
    #[arg(
        id = "self_format",
        short = 'f',
        long = "format",
        value_enum,
        value_delimiter = ',',
        value_name = "FORMAT"
    )]
    format: Vec<Format>,
    /// Compression of the packages [default: xz]
    #[arg(long, value_enum, value_name = "METHOD")]
    compression: Option<Compression>,
    /// Package revision; increase it to package the same version again [default: 1]
    #[arg(long, value_name = "N")]
    revision: Option<NonZeroU32>,
    /// Directory for the packages [default: dist]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl PackageSelfArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            kernel: KernelArgs { revision: self.revision, ..KernelArgs::default() },
            package: PackageArgs { compression: self.compression, ..PackageArgs::default() },
            out: OutArgs { out: self.out.clone() },
            ..Settings::default()
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no timestamp for the packages: this program was not built from a git checkout")]
    NoTime,
    #[error(transparent)]
    Time(#[from] request::Error),
    #[error("cannot find the file of this program")]
    Program(#[source] io::Error),
    #[error("cannot write the manual pages")]
    Manual(#[source] io::Error),
    #[error("{0}")]
    Out(#[source] io::Error),
    #[error("cannot package this program")]
    Package(#[source] package::Error),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Time(error) => Some(error),
            Error::Package(error) => Some(error),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::NoTime => Exit::Usage,
            _ => self.inner().map_or(Exit::StageFailed, Explain::exit),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoTime => Some("set SOURCE_DATE_EPOCH to a number of seconds since 1970".into()),
            _ => self.inner()?.next_step(),
        }
    }
}

/// Writes the packages and prints their paths. Of the configuration file only the global keys count: the others are
/// about kernels.
pub(in crate::cli) fn run(args: &PackageSelfArgs, start: CommandLine) -> Result<Exit, Failure> {
    let definition = start.definition;
    let invocation = start.read_file()?;
    let packages = write(args, &invocation, definition).map_err(|error| failure(&error))?;
    if !invocation.prints_events() {
        packages.iter().try_for_each(|package| print(&format!("{}\n", package.path.display())).map(drop))?;
    }
    Ok(Exit::Passed)
}

fn write(
    args: &PackageSelfArgs,
    invocation: &Invocation,
    definition: fn(&str) -> clap::Command,
) -> Result<Vec<package::WrittenPackage>, Error> {
    let flags = &invocation.flags;
    let request = SelfPackageRequest {
        program: std::env::current_exe().map_err(Error::Program)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("KPATCH_BUILD_COMMIT").map(str::to_owned),
        revision: flags.kernel.revision.map_or(1, u32::from),
        manual: manual(definition(NAME)).map_err(Error::Manual)?,
        completions: completions(definition(NAME)),
        timestamp: timestamp()?,
        formats: formats(&args.format),
        compression: flags.package.compression.unwrap_or_default(),
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        out: flags.out.out.clone().unwrap_or_else(|| OUT.into()),
    };
    fs::create_dir_all(&request.out).map_err(Error::Out)?;
    self_package::write(&invocation.events(), &invocation.stop, &request).map_err(Error::Package)
}

/// Returns the formats, each once.
fn formats(given: &[Format]) -> Vec<Format> {
    let all = [Format::Deb, Format::Rpm];
    all.into_iter().filter(|format| given.is_empty() || given.contains(format)).collect()
}

/// Returns the time of the commit, so that one checkout always results in the same packages.
fn timestamp() -> Result<i64, Error> {
    match request::timestamp()? {
        Timestamp::Given(seconds) => Ok(seconds),
        Timestamp::OfSource => {
            option_env!("KPATCH_BUILD_COMMIT_TIME").and_then(|text| text.parse().ok()).ok_or(Error::NoTime)
        }
    }
}

/// Returns one manual page for each subcommand, with its file name.
fn manual(definition: clap::Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let dir = tempfile::tempdir()?;
    clap_mangen::generate_to(definition, dir.path())?;
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    };
    fs::read_dir(dir.path())?.map(read).collect()
}

fn completions(mut definition: clap::Command) -> Completions {
    let mut script = |shell: Shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut definition, NAME, &mut text);
        text
    };
    Completions { bash: script(Shell::Bash), fish: script(Shell::Fish), zsh: script(Shell::Zsh) }
}
