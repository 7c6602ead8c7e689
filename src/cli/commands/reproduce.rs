//! `reproduce`: rebuilds the packages of an earlier run.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::{Exit, Failure};
use crate::cli::flags::{CompilerArgs, JobsArgs, KernelArgs, OutArgs, SandboxArgs, SeriesArgs, SourceArgs};
use crate::cli::invocation::{CommandLine, failure};
use crate::cli::output::print;
use crate::cli::request;
use crate::cli::settings::Settings;
use crate::reproduce::{self, ReproduceRequest};

/// Flags of `reproduce`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReproduceArgs {
    /// Report of the run to repeat: dist/report.json
    #[arg(value_name = "FILE")]
    report: PathBuf,
    /// Where the source is now: auto, kernel.org, debian, git:URL[#REF], tarball:PATH-or-URL[#SHA256] or
    /// dir:PATH [default: as in the report]
    #[arg(long)]
    source: Option<String>,
    /// OpenPGP certificates to verify the source with, besides the host's and kernel.org's [default: none]
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// Accept a source without a signature or checksum
    #[arg(long)]
    no_verify: bool,
    /// Your own series, as in the report: a report alone cannot make a build use your files
    /// [default: the report's, if it is a shipped one]
    #[arg(long, value_name = "PATH")]
    series: Option<String>,
    /// The kconfig, as in the report, if it has files of your own [default: the report's, if all of it is shipped]
    #[arg(long, value_delimiter = ',', value_name = "NAME|FILE")]
    kconfig: Vec<String>,
    /// C compiler; a path only by this flag [default: as in the report]
    #[arg(long, value_name = "COMPILER")]
    cc: Option<String>,
    /// RSA private key that signed the kernel for Secure Boot [default: none]
    #[arg(long, value_name = "FILE", alias = "sign-key")]
    secure_boot_key: Option<PathBuf>,
    /// Certificate of --secure-boot-key [default: none]
    #[arg(long, value_name = "FILE", alias = "sign-cert")]
    secure_boot_cert: Option<PathBuf>,
    /// Directory for the rebuilt packages [default: reproduced]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of parallel jobs [default: the number of processors]
    #[arg(short, long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    sandbox: SandboxArgs,
}

impl ReproduceArgs {
    /// Returns the flags as settings.
    pub(crate) fn settings(&self) -> Settings {
        let ReproduceArgs { source, keyring, no_verify, series, kconfig, .. } = self.clone();
        let ReproduceArgs { cc, secure_boot_key, secure_boot_cert, out, jobs, sandbox, .. } = self.clone();
        Settings {
            source: SourceArgs {
                source,
                keyring,
                no_verify: no_verify.then_some(true),
                ..SourceArgs::default()
            },
            series: SeriesArgs { series, ..SeriesArgs::default() },
            compiler: CompilerArgs { cc },
            kernel: KernelArgs { kconfig, secure_boot_key, secure_boot_cert, ..KernelArgs::default() },
            out: OutArgs { out },
            jobs: JobsArgs { jobs },
            sandbox,
            ..Settings::default()
        }
    }
}

/// Builds the packages of a report again and prints the comparison. Of the configuration file only the global
/// keys count: the report determines everything else.
pub(in crate::cli) fn run(args: ReproduceArgs, start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    let flags = &invocation.flags;
    let source = flags.source.source.as_deref().map(str::parse).transpose();
    let request = ReproduceRequest {
        report: args.report,
        source: source.map_err(|error| failure(&request::Error::Source(error)))?,
        no_verify: flags.source.no_verify.unwrap_or(false),
        keyring: flags.source.keyring.clone(),
        series: flags.series.series.clone(),
        kconfig: flags.kernel.kconfig.clone(),
        cc: flags.compiler.cc.clone(),
        secure_boot: (flags.kernel.secure_boot_key.clone(), flags.kernel.secure_boot_cert.clone()),
        out: flags.out.out.clone().unwrap_or_else(|| reproduce::OUT.into()),
        jobs: flags.jobs.jobs.map(usize::from),
        sandbox: flags.sandbox.choice(),
    };
    let cx = invocation.context(PathBuf::new())?;
    let comparison = reproduce::reproduce(&cx, &request)?;
    print(&comparison.to_string())?;
    Ok(if comparison.passed() { Exit::Passed } else { Exit::VerdictFailed })
}
