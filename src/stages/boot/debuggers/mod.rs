//! Debuggers that attach to the tracees in the guest: selection, files, and interpretation of their output.

mod data;
mod deb;
mod debian;
mod debugger;
mod error;
mod gdb;
mod host;
mod interpret;
mod root;
mod selection;
mod strace;
mod transcript;

use std::time::Duration;

use crate::base::context::Context;

pub use debugger::{Debugger, DebuggerKind};
pub use error::Error;
pub(in crate::stages::boot) use interpret::interpret;
pub use selection::{DebuggerName, DebuggerRequest, Selection, SelectionError};

/// Longest time for one debugger on one tracee, including the probe's work before and after; the probe ends
/// the debugger earlier (probe/debug.c).
pub(in crate::stages::boot) const DEADLINE: Duration = Duration::from_secs(60);

/// Returns the requested debuggers, in the requested order, each with its files in the store.
///
/// Contacts the Debian mirror for debuggers that the store lacks.
///
/// # Errors
/// A debugger cannot be fetched or verified, or the request names the host's debuggers and the host has none.
pub fn obtain(cx: &Context, request: &DebuggerRequest) -> Result<Vec<Debugger>, Error> {
    if request.selection.is_none() {
        return Ok(Vec::new());
    }
    let archive = debian::Archive::new(cx, request)?;
    let mut debuggers = Vec::new();
    for name in request.selection.names(archive.is_known()) {
        match name.suite() {
            Some(_) => debuggers.push(archive.obtain(name)?),
            None => debuggers.extend(host::obtain(cx, request.selection.requires_host())?),
        }
    }
    Ok(debuggers)
}
