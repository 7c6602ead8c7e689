//! `repo`: publishes apt and dnf repositories.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::{Exit, Failure};
use crate::base::openpgp::sign::SigningKey;
use crate::base::options::Timestamp;
use crate::cli::flags::{OutArgs, PackageArgs};
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::{self, print};
use crate::cli::request;
use crate::cli::settings::Settings;
use crate::repo;

/// Flags of `repo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RepoArgs {
    /// Directory with the .deb and .rpm files, also in subdirectories; the repositories contain exactly
    /// these packages
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// OpenPGP secret key that signs the indexes and the rpms; its passphrase is the first line of the
    /// file in $KPATCH_BUILD_SIGNING_PASSPHRASE_FILE [default: openpgp-key of the configuration file]
    #[arg(long, value_name = "FILE", alias = "signing-key")]
    openpgp_key: Option<PathBuf>,
    /// Directory to serve, created or updated [default: repository]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Address at which clients find that directory; part of their apt and dnf configuration
    #[arg(long, value_name = "URL", default_value = repo::PLACEHOLDER)]
    url: String,
    /// Number of generations to keep, including the new one
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
}

impl RepoArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            package: PackageArgs { openpgp_key: self.openpgp_key.clone(), ..PackageArgs::default() },
            out: OutArgs { out: self.out.clone() },
            ..Settings::default()
        }
    }
}

/// Publishes packages and prints one line for each repository. The configuration file's `out` is not used: it
/// names the directory for packages.
pub(in crate::cli) fn run(args: RepoArgs, start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let date = match request::timestamp().map_err(|error| failure(&error))? {
        Timestamp::Given(seconds) => seconds,
        // Not the packages' time: apt ignores a repository whose date is older than that of its copy.
        Timestamp::OfSource => jiff::Timestamp::now().as_second(),
    };
    let key = invocation.settings.package.openpgp_key.as_deref();
    let key = key.ok_or_else(|| failure(&repo::Error::NoKey))?;
    let request = repo::PublishRequest {
        dir: args.dir,
        out: invocation.flags.out.out.clone().unwrap_or_else(|| "repository".into()),
        key: SigningKey::load(key).map_err(|error| failure(&error))?,
        address: args.url,
        keep: args.keep as usize,
        date,
    };
    let published = repo::publish(&request, &invocation.stop).map_err(|error| failure(&error))?;
    print(&output::published(&published))
}
