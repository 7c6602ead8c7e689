//! The binary: parse, run, print, exit.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::FromArgMatches;
use kpatch_build::base::context::Context;
use kpatch_build::base::error::{Exit, Explain, Failure};
use kpatch_build::base::openpgp::sign::SigningKey;
use kpatch_build::base::options::{Goal, ProgressMode, Timestamp};
use kpatch_build::base::stop::Stop;
use kpatch_build::base::store::Store;
use kpatch_build::base::{process, program_name as name};
use kpatch_build::cli::args::{CacheAction, Cli, Command, PackageSelf, Repo, SeriesAction};
use kpatch_build::cli::commands::{cache, package_self as distribute};
use kpatch_build::cli::{args as cli, output as show, progress};
use kpatch_build::pipeline;
use kpatch_build::pipeline::request::{self, Request};
use kpatch_build::pipeline::settings::Settings;
use kpatch_build::report::{Report, attest as evidence};
use kpatch_build::stages::fetch;
use kpatch_build::{compare, doctor, repo, reproduce};

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if let Some(program) = args.next() {
        name::set(&program);
    }
    if let Some(mode) = args.next().filter(|mode| process::is_supervisor(mode)) {
        let rest: Vec<_> = args.collect();
        return ExitCode::from(process::supervise(&mode.to_string_lossy(), &rest) as u8);
    }
    let matches = cli::command(name::get()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let code = match Stop::on_signals() {
        Ok(stop) => told(run(&cli, stop.clone()), &stop),
        Err(source) => told(Err(before(&StartError::Signals { source })), &Stop::default()),
    };
    ExitCode::from(code as u8)
}

/// Whatever an interrupted run says went wrong, what happened is the interruption.
fn told(outcome: Result<Exit, Failure>, stop: &Stop) -> Exit {
    let failure = match outcome {
        Ok(exit) => return exit,
        Err(failure) if stop.is_set() => Failure::interrupted(failure.stage),
        Err(failure) => failure,
    };
    eprintln!("{failure}");
    failure.exit
}

fn run(cli: &Cli, stop: Stop) -> Result<Exit, Failure> {
    match &cli.command {
        None => whole(cli, Goal::Everything, stop),
        Some(Command::Fetch(_)) => whole(cli, Goal::Fetch, stop),
        Some(Command::Patch(_)) => whole(cli, Goal::Patch, stop),
        Some(Command::Build(_)) => whole(cli, Goal::Build, stop),
        Some(Command::Package(_)) => whole(cli, Goal::Package, stop),
        Some(Command::Boot { image: None, shell: false, .. }) => whole(cli, Goal::Boot, stop),
        Some(Command::Boot { image, shell, .. }) => boot_only(cli, image.as_deref(), *shell, stop),
        Some(Command::Compare { from: Some(from), update, .. }) => show_again(cli, from, update.as_deref()),
        Some(Command::Compare { from: None, update, .. }) => compare_series(cli, update.as_deref(), stop),
        Some(Command::Plan { explain, .. }) => {
            let request = request(cli)?;
            let cx = context(cli, Some(&request), stop)?;
            let (plan, keys) = pipeline::plan(&cx, &request)?;
            print(&show::plan(&plan, explain.then_some(&keys[..])))
        }
        Some(Command::Verify { dir, keyring }) => verify(cli, dir, keyring.as_deref(), &stop),
        Some(Command::Reproduce(wish)) => {
            let comparison = reproduce::reproduce(&context(cli, None, stop)?, wish)?;
            print(&comparison.to_string())?;
            Ok(if comparison.passed() { Exit::Passed } else { Exit::VerdictFailed })
        }
        Some(Command::Repo(wish)) => publish(cli, wish, &stop),
        Some(Command::Releases(_)) => {
            let request = request(cli)?;
            let cx = context(cli, Some(&request), stop)?;
            let listing = fetch::listing(&cx, &request.sources).map_err(|error| before(&error))?;
            print(&show::releases(&listing))
        }
        Some(Command::Series { action }) => series(cli, action, stop),
        Some(Command::Doctor { install_deps, .. }) => examine(cli, *install_deps || cli.install_deps, &stop),
        Some(Command::Cache { action }) => {
            let cx = context(cli, None, stop)?;
            let text = match action {
                CacheAction::List => cache::list(&cx.store),
                CacheAction::Remove { entries } => cache::remove(&cx, entries),
                CacheAction::Clear => cache::clear(&cx),
            };
            print(&text.map_err(|error| before(&error))?)
        }
        Some(Command::PackageSelf(wish)) => package_self(cli, wish, &stop),
        Some(Command::Completions { shell }) => {
            let mut command = cli::command(name::get());
            clap_complete::generate(*shell, &mut command, name::get(), &mut std::io::stdout());
            Ok(Exit::Passed)
        }
        Some(Command::Man { dir: None }) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(cli::command(name::get()))
                .render(&mut page)
                .expect("a Vec takes every byte");
            print(&String::from_utf8_lossy(&page))
        }
        Some(Command::Man { dir: Some(dir) }) => {
            let written = std::fs::create_dir_all(dir)
                .and_then(|()| clap_mangen::generate_to(cli::command(name::get()), dir));
            written.map_err(|source| before(&StartError::Manual { dir: dir.clone(), source }))?;
            Ok(Exit::Passed)
        }
        Some(Command::Supervise) => unreachable!("answered before the arguments are parsed"),
    }
}

/// A run of the pipeline up to `goal`.
fn whole(cli: &Cli, goal: Goal, stop: Stop) -> Result<Exit, Failure> {
    let request = request(cli)?;
    let kconfig = pipeline::check(&request, goal)?;
    if cli.install_deps {
        let store = store_path(cli)?;
        let job = request.job(&kconfig, goal, &store);
        doctor::install(job, &doctor::examine(job, &stop), &stop).map_err(|error| before(&error))?;
    }
    let cx = context(cli, Some(&request), stop)?;
    let report = pipeline::run(&cx, &request, goal)?;
    finish(cli, &report)
}

fn finish(cli: &Cli, report: &Report) -> Result<Exit, Failure> {
    // Standard output is the events' with `--progress json`.
    if settings(cli)?.progress != Some(ProgressMode::Json) {
        print(&report.summary())?;
    }
    Ok(report.exit())
}

fn boot_only(cli: &Cli, image: Option<&Path>, shell: bool, stop: Stop) -> Result<Exit, Failure> {
    let request = request(cli)?;
    pipeline::check(&request, Goal::Boot)?;
    let cx = context(cli, Some(&request), stop)?;
    let image = match image {
        Some(image) => image.to_owned(),
        None => pipeline::built_image(&cx, &request)?,
    };
    if shell {
        pipeline::shell(&cx, &request, &image)?;
        return Ok(Exit::Passed);
    }
    let report = pipeline::boot_image(&cx, &request, &image)?;
    finish(cli, &report)
}

/// `compare`: measure, then write.
fn compare_series(cli: &Cli, update: Option<&Path>, stop: Stop) -> Result<Exit, Failure> {
    let formats =
        compare_formats(cli)?.unwrap_or(compare::Formats { html: true, json: true, markdown: false });
    if let Some(file) = update {
        compare::check_markers(file).map_err(|error| before(&error))?;
    }
    let wish = compare::Wish::new(settings(cli)?)?;
    let cx = context(cli, Some(&wish.request), stop)?;
    let out = wish.request.out.clone();
    let (comparison, outcome) = compare::measure(cx, &wish, command_line());
    // Also of a comparison that was cut short: what was measured is worth a look.
    if !comparison.cells.is_empty() {
        let update = update.filter(|_| outcome.is_ok());
        let quiet = formats.markdown || settings(cli)?.progress == Some(ProgressMode::Json);
        show_comparison(&comparison, &out, &out, Shown { formats, update, quiet })?;
        if !quiet {
            print(&compare::terminal(&comparison, &out))?;
        }
    }
    outcome?;
    Ok(if comparison.passed() { Exit::Passed } else { Exit::VerdictFailed })
}

/// `compare --from`: what an earlier comparison measured.
fn show_again(cli: &Cli, from: &Path, update: Option<&Path>) -> Result<Exit, Failure> {
    let page_alone = compare::Formats { html: update.is_none(), ..Default::default() };
    let formats = compare_formats(cli)?.unwrap_or(page_alone);
    if formats.json {
        return Err(before(&compare::Error::JsonFromJson));
    }
    let comparison = compare::Comparison::load(from).map_err(|error| before(&error))?;
    let folder = from.parent().unwrap_or(Path::new(""));
    let out = settings(cli)?.out.unwrap_or_else(|| folder.to_owned());
    let quiet = formats.markdown;
    show_comparison(&comparison, folder, &out, Shown { formats, update, quiet })?;
    Ok(Exit::Passed)
}

struct Shown<'a> {
    formats: compare::Formats,
    update: Option<&'a Path>,
    /// Standard output is for something else than the names of what was written.
    quiet: bool,
}

/// `folder` is where the comparison's transcripts are.
fn show_comparison(
    comparison: &compare::Comparison,
    folder: &Path,
    out: &Path,
    how: Shown,
) -> Result<(), Failure> {
    let failed = |error: compare::Error| before(&error);
    if how.formats.html {
        let page = out.join(compare::PAGE);
        std::fs::create_dir_all(out).map_err(|source| {
            failed(compare::Error::Io { action: "create", path: out.to_owned(), source })
        })?;
        compare::write(&page, compare::page(comparison, folder).as_bytes()).map_err(failed)?;
        if !how.quiet {
            print(&format!("{}\n", page.display()))?;
        }
    }
    if let Some(file) = how.update {
        compare::update(file, &compare::markdown(comparison)).map_err(failed)?;
    }
    if how.formats.markdown {
        print(&compare::markdown(comparison))?;
    }
    Ok(())
}

fn compare_formats(cli: &Cli) -> Result<Option<compare::Formats>, Failure> {
    // Those of the configuration file are packages'.
    compare::Formats::parse(&cli.settings().format).map_err(|error| before(&error))
}

/// `repo`: what was published, in a line for each repository.
fn publish(cli: &Cli, wish: &Repo, stop: &Stop) -> Result<Exit, Failure> {
    let date = match request::timestamp().map_err(|error| before(&error))? {
        Timestamp::Given(seconds) => seconds,
        // Not of the packages: apt passes over a repository whose date is older than the one it has.
        Timestamp::OfSource => jiff::Timestamp::now().as_second(),
    };
    let key = wish.signing_key.clone().or(settings(cli)?.signing_key);
    let key = key.ok_or_else(|| before(&repo::Error::NoKey))?;
    let order = repo::PublishRequest {
        dir: wish.dir.clone(),
        out: wish.out.clone(),
        key: SigningKey::load(&key).map_err(|error| before(&error))?,
        address: wish.url.clone(),
        keep: wish.keep as usize,
        date,
    };
    let published = repo::publish(&order, stop).map_err(|error| before(&error))?;
    print(&show::published(&published))
}

/// As it could be typed again.
fn command_line() -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./,:=+@%#".contains(c))
    };
    let word = |word: String| if plain(&word) { word } else { format!("'{}'", word.replace('\'', r"'\''")) };
    let arguments = std::env::args().skip(1).map(word);
    std::iter::once(name::get().to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// `verify`: the keyring may stand before the subcommand, as everywhere; the configuration file's is for sources.
fn verify(cli: &Cli, dir: &Path, keyring: Option<&Path>, stop: &Stop) -> Result<Exit, Failure> {
    let given = keyring.or(cli.settings.keyring.as_deref());
    let keyring = given.map(evidence::keyring).transpose().map_err(|error| before(&error))?;
    let verdict = evidence::check(dir, keyring.as_ref(), stop).map_err(|error| before(&error))?;
    print(&verdict.to_string())?;
    Ok(if verdict.passed() { Exit::Passed } else { Exit::VerdictFailed })
}

fn series(cli: &Cli, action: &SeriesAction, stop: Stop) -> Result<Exit, Failure> {
    match action {
        SeriesAction::List => print(&show::series_list().map_err(|error| before(&error))?),
        SeriesAction::Show { name } => print(&show::series(name).map_err(|error| before(&error))?),
        SeriesAction::Check(_) => {
            let request = request(cli)?;
            let cx = context(cli, Some(&request), stop)?;
            let rows = pipeline::check_series(&cx, request)?;
            print(&show::series_table(&rows))?;
            let good = rows.iter().all(|row| row.verdict.is_good());
            Ok(if good { Exit::Passed } else { Exit::StageFailed })
        }
    }
}

fn package_self(cli: &Cli, wish: &PackageSelf, stop: &Stop) -> Result<Exit, Failure> {
    let mode = settings(cli)?.progress.unwrap_or_default();
    let events = progress::renderer(mode, std::io::stderr().is_terminal());
    let packages = distribute::package_self(&events, stop, wish).map_err(|error| before(&error))?;
    if mode != ProgressMode::Json {
        packages.iter().try_for_each(|package| print(&format!("{}\n", package.path.display())).map(drop))?;
    }
    Ok(Exit::Passed)
}

fn examine(cli: &Cli, install: bool, stop: &Stop) -> Result<Exit, Failure> {
    let (request, store) = (request(cli)?, store_path(cli)?);
    let kconfig = pipeline::check(&request, Goal::Everything)?;
    let job = request.job(&kconfig, Goal::Everything, &store);
    let mut findings = doctor::examine(job, stop);
    if install {
        findings = doctor::install(job, &findings, stop).map_err(|error| before(&error))?;
    }
    print(&show::findings(&findings))?;
    doctor::require(&findings).map_err(|error| before(&error))?;
    Ok(Exit::Passed)
}

/// The command line's settings over the file's.
fn settings(cli: &Cli) -> Result<Settings, Failure> {
    let file = Settings::load(cli.global.config.as_deref()).map_err(|error| before(&error))?;
    let global = Settings {
        store: cli.global.store.clone(),
        offline: cli.global.offline.then_some(true),
        progress: cli.global.progress,
        ..Settings::default()
    };
    Ok(cli.settings().or(global).or(file))
}

fn request(cli: &Cli) -> Result<Request, Failure> {
    Request::new(settings(cli)?).map_err(|error| before(&error))
}

fn context(cli: &Cli, request: Option<&Request>, stop: Stop) -> Result<Context, Failure> {
    let settings = settings(cli)?;
    let root = store_path(cli)?;
    if root.to_string_lossy().contains([' ', ':']) {
        return Err(before(&StartError::StorePath { path: root }));
    }
    let store = Store::open(&root).map_err(|error| before(&error))?;
    Ok(Context {
        store,
        events: progress::renderer(settings.progress.unwrap_or_default(), std::io::stderr().is_terminal()),
        stop,
        offline: settings.offline.unwrap_or(false),
        logs: request.map(|request| request.out.join("logs")).unwrap_or_default(),
    })
}

fn store_path(cli: &Cli) -> Result<PathBuf, Failure> {
    store_root(settings(cli)?.store).map_err(|error| before(&error))
}

/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn store_root(given: Option<PathBuf>) -> Result<PathBuf, StartError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    match given {
        Some(path) => Ok(path),
        None => Ok(cache().ok_or(StartError::NoHome)?.join("kpatch-build")),
    }
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot listen for signals")]
    Signals { source: std::io::Error },
    #[error("neither XDG_CACHE_HOME nor HOME is set, so there is no place for the store")]
    NoHome,
    /// The check is in the kernel's top Makefile.
    #[error("the store {} has a space or a colon in its path, which the kernel's own build refuses", path.display())]
    StorePath { path: PathBuf },
    #[error("cannot write the manual pages to {}", dir.display())]
    Manual { dir: PathBuf, source: std::io::Error },
    #[error("cannot write to standard output")]
    Output { source: std::io::Error },
}

impl Explain for StartError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        let elsewhere = matches!(self, StartError::NoHome | StartError::StorePath { .. });
        elsewhere.then(|| "name a folder with --store".into())
    }
}

fn before(error: &dyn Explain) -> Failure {
    Failure::new(None, error)
}

fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `| head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Passed),
        Err(source) => Err(before(&StartError::Output { source })),
        Ok(()) => Ok(Exit::Passed),
    }
}
