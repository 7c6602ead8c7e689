//! `compare`: several series side by side.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::base::error::{Exit, Explain, Failure};
use crate::base::options::{Goal, Lang};
use crate::base::program_name;
use crate::base::text::without_secrets;
use crate::cli::flags::{
    CompilerArgs, GuestArgs, JobsArgs, KernelArgs, NoBootArgs, OutArgs, ReleaseArgs, SandboxArgs, SeriesArgs,
    SourceArgs,
};
use crate::cli::invocation::{CommandLine, Invocation, failure};
use crate::cli::output::print;
use crate::cli::settings::{Settings, command_flags};
use crate::compare::{self, CompareRequest, Comparison};

/// Flags of `compare`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareArgs {
    /// Render the page from an existing compare.json instead of measuring [default: none]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Update the matrix between the markers in this Markdown file [default: none]
    #[arg(long, value_name = "FILE")]
    update: Option<PathBuf>,
    /// Formats of the comparison [default: html,json]
    // Its id differs from that of the packages' formats, which have no effect here.
    #[arg(
        id = "comparison_format",
        short = 'f',
        long = "format",
        value_enum,
        value_delimiter = ',',
        value_name = "FORMAT"
    )]
    format: Vec<CompareFormat>,
    /// Series to compare: shipped names, paths, or all [default: all]
    #[arg(short, long, value_delimiter = ',', value_name = "LIST")]
    series: Vec<String>,
    /// Languages to compare [default: c]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    lang: Vec<Lang>,
    #[command(flatten)]
    run: ComparedRunArgs,
}

/// An output format of `compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompareFormat {
    /// compare.html: the page, self-contained
    Html,
    /// compare.json: all measurements
    Json,
    /// The matrix, to standard output
    Markdown,
}

command_flags! {
    /// Flags of each run of a comparison.
    ComparedRunArgs {
        release: ReleaseArgs,
        source: SourceArgs,
        kernel: KernelArgs,
        compiler: CompilerArgs,
        guest: GuestArgs,
        out: OutArgs,
        jobs: JobsArgs,
        sandbox: SandboxArgs
    }
}

impl CompareArgs {
    /// Returns the flags as settings. The command outranks a `no-boot` in the configuration file.
    pub(crate) fn settings(&self) -> Settings {
        let series = (!self.series.is_empty()).then(|| self.series.join(","));
        Settings {
            series: SeriesArgs { series, lang: self.lang.clone() },
            no_boot: NoBootArgs { no_boot: Some(false) },
            ..self.run.settings()
        }
    }

    /// Returns the formats, `default` if none is given.
    fn formats(&self, default: &[CompareFormat]) -> Vec<CompareFormat> {
        if self.format.is_empty() { default.to_vec() } else { self.format.clone() }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("--format json cannot be combined with --from, which reads that format")]
    JsonFromJson,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Measures, or reads earlier measurements, and writes the formats.
pub(in crate::cli) fn run(args: &CompareArgs, start: CommandLine) -> Result<Exit, Failure> {
    let invocation = start.read_file()?;
    match &args.from {
        Some(from) => render(args, &invocation, from),
        None => measure(args, &invocation),
    }
}

fn measure(args: &CompareArgs, invocation: &Invocation) -> Result<Exit, Failure> {
    let formats = args.formats(&[CompareFormat::Html, CompareFormat::Json]);
    if let Some(file) = &args.update {
        compare::check_markers(file).map_err(|error| failure(&error))?;
    }
    let request = request(&invocation.settings)?;
    let out = request.out().to_owned();
    let cx = invocation.context_of(&out)?;
    let (comparison, outcome) = compare::measure(cx, &request, command_line());
    // Partial results are shown too.
    if !comparison.cells.is_empty() {
        let update = args.update.as_deref().filter(|_| outcome.is_ok());
        let quiet = formats.contains(&CompareFormat::Markdown) || invocation.prints_events();
        let page = write(&comparison, &out, &out, &formats, update)?;
        if !quiet {
            print(&page)?;
            print(&compare::terminal(&comparison, &out))?;
        }
    }
    outcome?;
    Ok(if comparison.passed() { Exit::Passed } else { Exit::VerdictFailed })
}

/// `--from`: renders an earlier comparison.
fn render(args: &CompareArgs, invocation: &Invocation, from: &Path) -> Result<Exit, Failure> {
    let default = if args.update.is_none() { &[CompareFormat::Html][..] } else { &[] };
    let formats = args.formats(default);
    if formats.contains(&CompareFormat::Json) {
        return Err(failure(&Error::JsonFromJson));
    }
    let comparison = Comparison::load(from).map_err(|error| failure(&error))?;
    let dir = from.parent().unwrap_or(Path::new(""));
    let out = invocation.settings.out.out.clone().unwrap_or_else(|| dir.to_owned());
    let page = write(&comparison, dir, &out, &formats, args.update.as_deref())?;
    if !formats.contains(&CompareFormat::Markdown) {
        print(&page)?;
    }
    Ok(Exit::Passed)
}

/// Writes the page and the Markdown file, prints the matrix, and returns one line for each file written.
/// `dir` holds the comparison's transcripts.
fn write(
    comparison: &Comparison,
    dir: &Path,
    out: &Path,
    formats: &[CompareFormat],
    update: Option<&Path>,
) -> Result<String, Failure> {
    let failed = |error: compare::Error| failure(&error);
    let mut written = String::new();
    if formats.contains(&CompareFormat::Html) {
        let page = compare::write_page(comparison, dir, out).map_err(failed)?;
        written = format!("{}\n", page.display());
    }
    if let Some(file) = update {
        compare::update(file, &compare::markdown(comparison)).map_err(failed)?;
    }
    if formats.contains(&CompareFormat::Markdown) {
        print(&compare::markdown(comparison))?;
    }
    Ok(written)
}

/// Returns the request of a comparison. Every cell has its own series and language; the package formats stay unused.
fn request(settings: &Settings) -> Result<CompareRequest, Failure> {
    let series = settings.series.series.as_deref().unwrap_or(compare::ALL);
    let names = series.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let names: Vec<_> = names.collect();
    let mut cell = settings.clone();
    cell.series =
        SeriesArgs { series: None, lang: settings.series.lang.first().copied().into_iter().collect() };
    cell.package.format.clear();
    let cell = crate::cli::request::request(&cell, Goal::Boot).map_err(|error| failure(&error))?;
    CompareRequest::new(cell, &names, &settings.series.lang)
}

/// Returns the command line in a form to paste into a shell, without secrets: it is published.
fn command_line() -> String {
    let words = std::iter::once(program_name::get().to_owned()).chain(std::env::args().skip(1));
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./,:=+@%#".contains(c))
    };
    // shlex would also quote `boot,debug` and `--out=x`, which no shell needs.
    let quoted = |word: String| match plain(&word) {
        true => word,
        false => shlex::try_quote(&word).expect("an argument has no NUL").into_owned(),
    };
    without_secrets(&words.map(quoted).collect::<Vec<_>>().join(" ")).into_owned()
}
