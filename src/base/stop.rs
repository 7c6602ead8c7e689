//! The stop flag: set by Ctrl-C, SIGTERM or SIGHUP and checked by every loop that can take long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A signal ended the work before it was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The stop flag; cheap to clone, and all clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that SIGINT, SIGTERM and SIGHUP set.
    ///
    /// The first Ctrl-C makes the tool clean up; a second one ends it at once. A second SIGTERM does not,
    /// because timeout(1) sends two: one to the process and one to its group.
    ///
    /// # Errors
    /// A signal handler cannot be installed.
    pub fn on_signals() -> std::io::Result<Stop> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let stop = Stop::default();
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, stop.0.clone())?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, stop.0.clone())?;
        }
        Ok(stop)
    }

    /// Returns whether a stop was requested.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails once a stop was requested: `stop.check()?` in every loop that can take long.
    ///
    /// # Errors
    /// [`Interrupted`] when the flag is set.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_set() { Err(Interrupted) } else { Ok(()) }
    }

    /// Requests a stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
