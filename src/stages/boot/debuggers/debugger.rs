//! A debugger that is ready to run in the guest.

use std::fmt;
use std::path::PathBuf;

use super::{gdb, strace};
use crate::base::store::Entry;

/// A debugger with all its files in a separate root directory.
#[derive(Debug)]
pub struct Debugger {
    /// The kind of debugger.
    pub kind: DebuggerKind,
    /// Upstream version: `10.1`.
    pub version: String,
    /// Path of the program in the root directory: `/usr/bin/gdb`.
    pub program: String,
    /// Root directory, in the store. `bin`, `lib` and `lib64` are links to `usr/…`, and `/proc` is empty:
    /// the caller mounts it and sets `HOME`, without which gdb prints a warning.
    pub root: PathBuf,
    /// Whether the debugger is a copy of the host's, not one of Debian's.
    pub of_host: bool,
    /// The lock on the store entry, which protects the root directory from removal.
    pub entry: Entry,
}

/// A debugger that kpatch-build can drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebuggerKind {
    /// The GNU debugger.
    Gdb,
    /// The tracer of system calls.
    Strace,
}

impl DebuggerKind {
    /// Name of the program.
    pub fn name(self) -> &'static str {
        match self {
            DebuggerKind::Gdb => "gdb",
            DebuggerKind::Strace => "strace",
        }
    }
}

impl fmt::Display for DebuggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Debugger {
    /// Name and version: `gdb 10.1`. ` (host)` follows for the host's debuggers, whose version may equal that
    /// of one of Debian's.
    pub fn name(&self) -> String {
        let host = if self.of_host { " (host)" } else { "" };
        format!("{} {}{host}", self.kind, self.version)
    }

    /// The command line; the probe replaces `%` with the tracee's process id.
    pub(in crate::stages::boot) fn arguments(&self) -> Vec<String> {
        match self.kind {
            DebuggerKind::Gdb => gdb::arguments(&self.program),
            DebuggerKind::Strace => strace::arguments(&self.program),
        }
    }

    /// The content of `/commands` in the root directory, with `%` for the tracee's process id.
    pub(in crate::stages::boot) fn commands(&self) -> Option<&'static str> {
        match self.kind {
            DebuggerKind::Gdb => Some(gdb::COMMANDS),
            DebuggerKind::Strace => None,
        }
    }

    /// Milliseconds after which the probe interrupts a debugger that runs until then.
    pub(in crate::stages::boot) fn interrupt_after(&self) -> Option<u32> {
        match self.kind {
            DebuggerKind::Gdb => None,
            DebuggerKind::Strace => Some(strace::INTERRUPT_MS),
        }
    }
}
