//! One invocation of the program: its command line, and its settings once the configuration file is read.

use std::cell::Cell;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::flags::GlobalArgs;
use super::settings::Settings;
use super::{config_file, progress, request};
use crate::base::context::Context;
use crate::base::error::{Exit, Explain, Failure};
use crate::base::events::Events;
use crate::base::options::{Goal, ProgressMode};
use crate::base::program_name;
use crate::base::stop::Stop;
use crate::base::store::Store;
use crate::base::text::visible;
use crate::kernel::kbuild::refused_character;
use crate::pipeline::request::Request;

/// The parsed command line. Reading the configuration file consumes it: no command can read the file twice.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// The flags, those after the subcommand over those before it.
    pub(super) flags: Settings,
    /// Set by a signal.
    pub(super) stop: Stop,
    /// How the command shows its progress, for the end of the process; the configuration file can set it.
    pub(super) progress: Rc<Cell<ProgressMode>>,
    /// Returns the definition of the command line for a program name.
    pub(super) definition: fn(&str) -> clap::Command,
}

/// The command line with the configuration file.
#[derive(Debug)]
pub(super) struct Invocation {
    /// The flags of the command line.
    pub(super) flags: Settings,
    /// The flags; the configuration file fills unset ones.
    pub(super) settings: Settings,
    /// Set by a signal.
    pub(super) stop: Stop,
}

/// Why no command can start. Nothing has been written.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot find the cache directory: neither XDG_CACHE_HOME nor HOME is set")]
    NoHome,
    /// The kernel's top Makefile refuses some of these characters; make and the shell interpret the others.
    #[error("the path of the store, {}, has the character {character:?}, which the kernel's build cannot handle", path.display())]
    StorePath { path: PathBuf, character: char },
    #[error("cannot determine the current directory, which --store is relative to")]
    CurrentDirectory(#[source] std::io::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn next_step(&self) -> Option<String> {
        Some("name a directory with --store whose path has letters, digits and . _ - + only".into())
    }
}

impl CommandLine {
    /// Reads the configuration file, and says which one.
    ///
    /// # Errors
    /// See [`config_file::Error`].
    pub(super) fn read_file(self) -> Result<Invocation, Failure> {
        let file = config_file::load(self.flags.global.config.as_deref()).map_err(|error| failure(&error))?;
        let settings = match file {
            Some(file) => {
                eprintln!("{}: settings from {}", program_name::get(), visible(&file.path.to_string_lossy()));
                self.flags.clone().or(file.settings)
            }
            None => self.flags.clone(),
        };
        self.progress.set(settings.global.progress.unwrap_or_default());
        Ok(Invocation { flags: self.flags, settings, stop: self.stop })
    }
}

impl Invocation {
    /// Returns the request for a run that writes no packages.
    pub(super) fn request(&self) -> Result<Request, Failure> {
        self.request_for(Goal::Build)
    }

    /// Returns the request for a run up to `goal`.
    pub(super) fn request_for(&self, goal: Goal) -> Result<Request, Failure> {
        request::request(&self.settings, goal).map_err(|error| failure(&error))
    }

    /// Opens the store. `logs` is the directory of the stages' logs.
    pub(super) fn context(&self, logs: PathBuf) -> Result<Context, Failure> {
        let root = self.store_root()?;
        // The build works with absolute paths: those of the directories above the store count too.
        let root = std::path::absolute(root).map_err(|error| failure(&Error::CurrentDirectory(error)))?;
        if let Some(character) = refused_character(&root) {
            return Err(failure(&Error::StorePath { path: root, character }));
        }
        let global = &self.settings.global;
        let store = Store::open(&root).map_err(|error| failure(&error))?;
        Ok(Context {
            store: store.with_verification(global.verify_store.unwrap_or(false)),
            events: self.events(),
            stop: self.stop.clone(),
            offline: global.offline.unwrap_or(false),
            logs,
        })
    }

    /// Opens the store for a run that writes below `out`.
    pub(super) fn context_of(&self, out: &Path) -> Result<Context, Failure> {
        self.context(out.join("logs"))
    }

    /// Returns the path of the store, which need not exist.
    pub(super) fn store_root(&self) -> Result<PathBuf, Failure> {
        store_root(&self.settings.global).map_err(|error| failure(&error))
    }

    /// Returns the renderer of progress.
    pub(super) fn events(&self) -> Events {
        progress::renderer(self.progress(), std::io::stderr().is_terminal())
    }

    /// Whether events go to standard output.
    pub(super) fn prints_events(&self) -> bool {
        self.progress() == ProgressMode::Json
    }

    fn progress(&self) -> ProgressMode {
        self.settings.global.progress.unwrap_or_default()
    }
}

/// Returns `--store`, else the default in the user's cache directory:
/// <https://specifications.freedesktop.org/basedir-spec/latest/>.
fn store_root(global: &GlobalArgs) -> Result<PathBuf, Error> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    match &global.store {
        Some(path) => Ok(path.clone()),
        None => Ok(cache().ok_or(Error::NoHome)?.join("kpatch-build")),
    }
}

/// Returns the failure for an error outside of the stages.
pub(super) fn failure(error: &dyn Explain) -> Failure {
    Failure::new(None, error)
}
