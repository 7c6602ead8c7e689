//! The request to stop: Ctrl-C, SIGTERM or SIGHUP, seen by every loop that can take long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A signal ended the work before it was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Cheap to clone; all clones see the same request.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A stop that the signals set. A second Ctrl-C ends the tool at once: the first one is
    /// answered by cleaning up, and somebody who asks twice does not want to wait for that.
    /// Not so a second SIGTERM: timeout(1) sends two of them, one to the process and one to its group.
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
