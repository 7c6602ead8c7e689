//! `package-self`: this program as the distributions' packages have it.

use std::io;
use std::path::PathBuf;

use clap_complete::Shell;

use crate::base::error::{Exit, Explain};
use crate::base::events::Events;
use crate::base::options::{Format, Timestamp};
use crate::base::stop::Stop;
use crate::cli::args as cli;
use crate::cli::args::PackageSelf;
use crate::pipeline::request;
use crate::stages::package::self_package::{self, Completions, NAME, SelfPackageRequest};
use crate::stages::package::{self, WrittenPackage};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing says what time the packages are to carry")]
    NoTime,
    #[error(transparent)]
    Time(#[from] request::Error),
    #[error("cannot find this program's own file")]
    Program(#[source] io::Error),
    #[error("cannot make the manual pages")]
    Manual(#[source] io::Error),
    #[error("cannot create {}", path.display())]
    Out { path: PathBuf, source: io::Error },
    #[error("cannot package this program")]
    Package(#[source] package::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NoTime => Exit::Usage,
            Error::Time(error) => error.exit(),
            Error::Package(error) => error.exit(),
            _ => Exit::StageFailed,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::NoTime => {
                vec!["it was not built from a git checkout, whose last commit would say it".into()]
            }
            Error::Package(error) => error.facts(),
            _ => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::NoTime => Some("set SOURCE_DATE_EPOCH to the seconds since 1970".into()),
            Error::Time(error) => error.next_step(),
            Error::Package(error) => error.next_step(),
            _ => None,
        }
    }
}

/// Writes the packages of the running program into a folder, which is made where there is none.
pub fn package_self(events: &Events, stop: &Stop, wish: &PackageSelf) -> Result<Vec<WrittenPackage>, Error> {
    let out = wish.out.clone().unwrap_or_else(|| "dist".into());
    let request = SelfPackageRequest {
        program: std::env::current_exe().map_err(Error::Program)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("KPATCH_BUILD_COMMIT").map(str::to_owned),
        revision: wish.revision.map_or(1, u32::from),
        manual: manual().map_err(Error::Manual)?,
        completions: completions(),
        timestamp: time()?,
        formats: formats(&wish.format),
        compression: wish.compression.unwrap_or_default(),
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        out: out.clone(),
    };
    std::fs::create_dir_all(&out).map_err(|source| Error::Out { path: out, source })?;
    self_package::write(events, stop, &request).map_err(Error::Package)
}

/// Each once.
fn formats(given: &[Format]) -> Vec<Format> {
    let all = [Format::Deb, Format::Rpm];
    all.into_iter().filter(|format| given.is_empty() || given.contains(format)).collect()
}

/// That of the commit, so that a checkout gives the same packages at any time.
fn time() -> Result<i64, Error> {
    match request::timestamp()? {
        Timestamp::Given(seconds) => Ok(seconds),
        Timestamp::OfSource => {
            option_env!("KPATCH_BUILD_COMMIT_TIME").and_then(|text| text.parse().ok()).ok_or(Error::NoTime)
        }
    }
}

/// By file name, one for each subcommand.
fn manual() -> io::Result<Vec<(String, Vec<u8>)>> {
    let dir = tempfile::tempdir()?;
    clap_mangen::generate_to(cli::command(NAME), dir.path())?;
    let read = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?))
    };
    std::fs::read_dir(dir.path())?.map(read).collect()
}

fn completions() -> Completions {
    let script = |shell: Shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut cli::command(NAME), NAME, &mut text);
        text
    };
    Completions { bash: script(Shell::Bash), fish: script(Shell::Fish), zsh: script(Shell::Zsh) }
}
