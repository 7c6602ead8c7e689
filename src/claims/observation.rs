//! What was seen of one thread, as it stands in `report.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A register's value; `"0x33"` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u64);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl std::str::FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Hex, String> {
        text.strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Hex)
            .ok_or_else(|| format!("{text:?} is not a hexadecimal number with 0x in front"))
    }
}

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Hex, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Hex {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Register".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The value of a register, in lower-case hexadecimal digits.",
            "type": "string",
            "pattern": "^0x[0-9a-f]{1,16}$",
        })
    }
}

/// Registers of the kernel's `struct pt_regs`, named and ordered as in `struct
/// user_regs_struct` of arch/x86/include/asm/user_64.h.
pub const FRAME: [&str; 21] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];

/// The rest of that structure, which the kernel keeps in `struct thread_struct`.
pub const THREAD: [&str; 6] = ["fs_base", "gs_base", "ds", "es", "fs", "gs"];

/// All 27 registers; `None` where one cannot be read.
pub type Registers = BTreeMap<String, Option<Hex>>;

/// One thread of one tracee: an entry of `observations` in `report.json`.
///
/// `attach` and the like are `ok` or the errno's name; what was not observed is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Observation {
    pub tracee_bits: u8,
    /// `leader`, or `iou-sqp`, `iou-mgr`, `iou-wrk` without the process id.
    pub thread: String,
    pub name: String,
    pub tid: u32,
    /// State letter of proc(5) before anything was done to it.
    pub state: Option<String>,
    pub listed: bool,
    pub seize: String,
    pub attach: String,
    pub peekuser_cs: Option<String>,
    pub peekuser_ds: Option<String>,
    pub regset: Option<String>,
    pub getregs: Option<String>,
    pub regset_bytes: Option<u64>,
    /// Whether the view shows the same values as `PTRACE_GETREGS`.
    pub regset_agrees: Option<bool>,
    pub cs: Option<Hex>,
    pub ss: Option<Hex>,
    pub ip: Option<Hex>,
    pub sp: Option<Hex>,
    pub regs: Registers,
    pub stops_on_interrupt: bool,
    pub stops_on_attach: bool,
    pub stops_on_sigstop: bool,
    pub resumes_on_sigcont: bool,
    /// Both freezers, each of which stands below.
    pub freezes: Option<bool>,
    pub freezes_v1: Option<bool>,
    pub freezes_v2: Option<bool>,
    pub state_frozen_v1: Option<String>,
    pub state_frozen_v2: Option<String>,
    pub dies_with_group: bool,
    /// The `NT_PRSTATUS` note of a thread of this kind in a core dump of another process of the same
    /// program; `None` where the dump has none.
    #[serde(default)]
    pub core: Option<CoreNote>,
    /// The leader's registers at the entry of the system call that created this thread.
    pub creator_regs: Option<Registers>,
}

/// What a core dump says of a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CoreNote {
    /// Of the registers in the note: 216 in a 64-bit view, 68 in a 32-bit one.
    pub bytes: u64,
    /// Those that the view has; the others are `None`.
    pub regs: Registers,
}

impl CoreNote {
    /// The registers of [`FRAME`] that its view has.
    pub fn frame(&self) -> impl Iterator<Item = &'static str> {
        let wide = self.bytes > 68;
        FRAME.into_iter().filter(move |name| wide || !is_64_bit_only(name))
    }
}

/// `r8` to `r15`.
fn is_64_bit_only(name: &str) -> bool {
    matches!(name.as_bytes(), [b'r', b'0'..=b'9', ..])
}

impl Observation {
    pub fn is_io_thread(&self) -> bool {
        self.thread.starts_with("iou-")
    }

    pub fn register(&self, name: &str) -> Option<Hex> {
        self.regs.get(name).copied().flatten()
    }

    /// Of its note in the core dump.
    pub fn core_register(&self, name: &str) -> Option<Hex> {
        self.core.as_ref()?.regs.get(name).copied().flatten()
    }

    pub fn creator_register(&self, name: &str) -> Option<Hex> {
        self.creator_regs.as_ref()?.get(name).copied().flatten()
    }

    /// Registers, in order, also those of the core dump, that hold an address of the kernel's half of the address space.
    ///
    /// The topmost page is not mapped; its numbers are negated errnos.
    pub fn kernel_addresses(&self) -> Vec<(&'static str, Hex)> {
        let kernel = 0xffff_8000_0000_0000..0xffff_ffff_ffff_f000_u64;
        let names = FRAME.iter().chain(&THREAD);
        names
            .flat_map(|name| [(*name, self.register(name)), (*name, self.core_register(name))])
            .filter_map(|(name, value)| Some((name, value?)))
            .filter(|(_, value)| kernel.contains(&value.0))
            .collect()
    }

    /// Whether every register of the creator that this size of program can set was not zero,
    /// so that what was copied can be told from what was zeroed.
    pub fn creator_is_telling(&self) -> bool {
        let settable = |name: &&&str| self.tracee_bits == 64 || !is_64_bit_only(name);
        FRAME
            .iter()
            .filter(settable)
            .all(|name| self.creator_register(name).is_some_and(|value| value.0 != 0))
    }
}

/// One debugger on one tracee: an entry of `debuggers` in `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DebuggerRun {
    /// With its version: `gdb 10.1`, `strace 6.1`.
    pub debugger: String,
    pub tracee_bits: u8,
    pub outcome: DebuggerOutcome,
    /// The leader's backtrace and registers were readable.
    pub usable: bool,
    pub tracee_after: TraceeAfter,
    /// Threads that it listed.
    pub threads_seen: u64,
    /// Threads that the probe knew of when it started.
    pub threads: u64,
    /// From its start to its end or its deadline.
    pub seconds: f64,
    /// The line of the transcript that decided the outcome, where one did.
    pub evidence: Option<String>,
    /// The file with everything that it printed.
    pub transcript: PathBuf,
}

/// How a debugger fared; the first that fits, in this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DebuggerOutcome {
    /// It came to its deadline or its output's limit while attaching to the same thread kept failing.
    AttachLoop,
    /// It came to its deadline otherwise.
    TimedOut,
    /// The attach ended in an error.
    AttachAborted,
    /// It took the process for one of another architecture.
    ArchitectureWarning,
    /// It listed fewer threads than the probe knows of.
    ThreadsHidden,
    /// It could not attach to each thread that is listed, and went on without them: strace only.
    ThreadsRefused,
    Clean,
}

/// The tracee after the debugger has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TraceeAfter {
    Running,
    Stopped,
    Gone,
}
