//! Blocking work that a stop request abandons, and reading that it ends.

use std::io::{self, Read};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::stop::{Interrupted, Stop};

/// How often the stop request is checked.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs `work` in a thread and returns its result.
///
/// After a stop request the thread is left behind; it must end by its own time limits.
///
/// # Errors
/// [`Interrupted`] when a stop was requested before `work` ended, or when `work` panicked.
pub(crate) fn run<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Interrupted> {
    let (sender, result) = sync_channel(1);
    std::thread::spawn(move || {
        // The receiver is gone after a stop request.
        let _ = sender.send(work());
    });
    loop {
        match result.recv_timeout(INTERVAL) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => stop.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Interrupted),
        }
    }
}

/// A reader that fails after a stop request. The error has no kind of its own: check the stop request first.
pub(crate) struct StopReader<'s, R> {
    inner: R,
    stop: &'s Stop,
}

impl<'s, R> StopReader<'s, R> {
    pub(crate) fn new(inner: R, stop: &'s Stop) -> StopReader<'s, R> {
        StopReader { inner, stop }
    }
}

impl<R: Read> Read for StopReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not ErrorKind::Interrupted, after which io::copy tries again.
        self.stop.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_request_ends_the_reading() {
        let stop = Stop::default();
        let mut reader = StopReader::new(io::repeat(0), &stop);
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 9);
        stop.set();
        assert!(reader.read(&mut [0; 9]).is_err());
    }

    #[test]
    fn a_stop_request_abandons_the_work() {
        let stop = Stop::default();
        assert_eq!(run(&stop, || 1), Ok(1));
        stop.set();
        let (_sender, never) = sync_channel::<()>(0);
        assert_eq!(run(&stop, move || never.recv().is_ok()), Err(Interrupted));
    }
}
