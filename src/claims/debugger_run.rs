//! A debugger's session with a tracee, as `debuggers` in `report.json` records it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One debugger on one tracee: an entry of `debuggers` in `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DebuggerRun {
    /// Name and version: `gdb 10.1`, `strace 6.1`; ` (host)` follows for one of the host's debuggers.
    pub debugger: String,
    /// Word size of the tracee: 64 or 32.
    pub tracee_bits: u8,
    /// How the debugger fared.
    pub outcome: DebuggerOutcome,
    /// Whether the leader's backtrace and registers were readable; for strace, whether it showed
    /// system calls of the leader.
    pub usable: bool,
    /// State of the tracee after the debugger left.
    pub tracee_after: TraceeAfter,
    /// Number of threads that the debugger listed.
    pub threads_seen: u64,
    /// Number of threads that the probe knew when the debugger started.
    pub threads: u64,
    /// Seconds from the debugger's start to its end or its deadline.
    pub seconds: f64,
    /// The line of the transcript that decided the outcome, if a single line did.
    pub evidence: Option<String>,
    /// The file with the debugger's complete output.
    pub transcript: PathBuf,
}

/// How a debugger fared. The first value that fits applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DebuggerOutcome {
    /// It reached its deadline or its output limit while it kept failing to attach to one thread.
    AttachLoop,
    /// It reached its deadline or its output limit for another reason.
    TimedOut,
    /// The attach ended in an error.
    AttachAborted,
    /// It mistook the process for one of another architecture.
    ArchitectureWarning,
    /// It listed fewer threads than the probe knows.
    ThreadsHidden,
    /// It could not attach to every listed thread, and continued without the others (strace only).
    ThreadsRefused,
    /// It attached to every thread without a complaint.
    Clean,
}

/// The tracee after the debugger left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TraceeAfter {
    /// Every thread runs or sleeps.
    Running,
    /// A thread is stopped.
    Stopped,
    /// The process has ended.
    Gone,
}
