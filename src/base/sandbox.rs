//! The sandbox of this host: which mechanism works, if any.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::confinement::{Confinement, Mechanism};
use crate::base::error::{Exit, Explain};
use crate::base::process::{self, Command};
use crate::base::stop::{Interrupted, Stop};

/// The test program ends at once.
const DEADLINE: Duration = Duration::from_secs(20);

/// A mechanism that works on this host.
#[derive(Clone, Debug)]
pub struct Sandbox {
    mechanism: Mechanism,
    /// Path of the program that creates the namespaces.
    program: PathBuf,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No mechanism works.
    #[error("this host has no sandbox")]
    Unavailable {
        /// The reason for each mechanism.
        reasons: Vec<String>,
    },
    /// A stop was requested.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Interrupted(interrupted) => Some(interrupted),
            Error::Unavailable { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted(interrupted) => interrupted.exit(),
            Error::Unavailable { .. } => Exit::HostLacks,
        }
    }

    fn facts(&self) -> Vec<String> {
        match self {
            Error::Unavailable { reasons } => reasons.clone(),
            Error::Interrupted(_) => Vec::new(),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Error::Unavailable { .. } => {
                Some("install bubblewrap or allow user namespaces, or omit --sandbox".into())
            }
            Error::Interrupted(_) => None,
        }
    }
}

impl Sandbox {
    /// Finds the first mechanism that runs a program: a container or a kernel setting may forbid namespaces.
    ///
    /// # Errors
    /// No mechanism works, or a stop is requested.
    pub fn find(stop: &Stop) -> Result<Sandbox, Error> {
        let mut reasons = Vec::new();
        for mechanism in [Mechanism::Bubblewrap, Mechanism::Namespaces] {
            match Sandbox::of(mechanism, stop)? {
                Ok(sandbox) => return Ok(sandbox),
                Err(reason) => reasons.push(format!("{}: {reason}", mechanism.name())),
            }
        }
        Err(Error::Unavailable { reasons })
    }

    /// Tries one mechanism; returns the reason if it does not work.
    ///
    /// # Errors
    /// A stop is requested.
    pub fn of(mechanism: Mechanism, stop: &Stop) -> Result<Result<Sandbox, String>, Interrupted> {
        let name = mechanism.program();
        let Some(program) = process::find(name) else { return Ok(Err(format!("{name} is not installed"))) };
        let sandbox = Sandbox { mechanism, program };
        match Command::new("true").confined(sandbox.confinement()).deadline(DEADLINE).run(stop) {
            Ok(_) => Ok(Ok(sandbox)),
            Err(process::Error::Interrupted { .. }) => Err(Interrupted),
            Err(error) => {
                let (_, tail) = error.log_and_tail();
                Ok(Err(tail.last().cloned().unwrap_or_else(|| error.to_string())))
            }
        }
    }

    /// What builds the file system.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// A confinement with the system and nothing else.
    pub fn confinement(&self) -> Confinement {
        Confinement::new(self.mechanism, self.program.clone())
    }
}
