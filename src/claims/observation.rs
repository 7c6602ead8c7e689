//! The probe's observation of one thread, as `observations` in `report.json` records it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Peek};
use super::register::{Hex, Register, Registers};

/// One thread of one tracee: an entry of `observations` in `report.json`.
///
/// A value that the probe could not observe is `null` (`None` in Rust).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// Word size of the tracee: 64 or 32.
    pub tracee_bits: u8,
    /// Kind of thread: `leader`, `iou-sqp`, `iou-mgr` or `iou-wrk`.
    pub thread: String,
    /// Name in `/proc/PID/comm`, with the process id for an io thread: `iou-wrk-36`.
    pub name: String,
    /// Thread id in the guest.
    pub tid: u32,
    /// State letter of proc(5), before the probe touched the thread.
    pub state: Option<String>,
    /// Whether `/proc/PID/task` lists the thread.
    pub listed: bool,
    /// Result of `PTRACE_SEIZE`.
    pub seize: Answer,
    /// Result of `PTRACE_ATTACH`.
    pub attach: Answer,
    /// Result of `PTRACE_PEEKUSER` for `cs`.
    pub peekuser_cs: Option<Peek>,
    /// Result of `PTRACE_PEEKUSER` for `ds`.
    pub peekuser_ds: Option<Peek>,
    /// Result of `PTRACE_GETREGSET` with `NT_PRSTATUS`.
    pub regset: Option<Answer>,
    /// Result of `PTRACE_GETREGS`.
    pub getregs: Option<Answer>,
    /// Size in bytes of the register set: 216 in a 64-bit view, 68 in a 32-bit one.
    pub regset_bytes: Option<u64>,
    /// Whether `PTRACE_GETREGSET` shows the same values as `PTRACE_GETREGS`.
    pub regset_agrees: Option<bool>,
    /// The same as in `regs`.
    pub cs: Option<Hex>,
    /// The same as in `regs`.
    pub ss: Option<Hex>,
    /// The same as in `regs`.
    pub ip: Option<Hex>,
    /// The same as in `regs`.
    pub sp: Option<Hex>,
    /// All registers, as ptrace shows them.
    pub regs: Registers,
    /// Whether the thread stopped after `PTRACE_INTERRUPT`.
    pub stops_on_interrupt: bool,
    /// Whether the thread stopped after `PTRACE_ATTACH`.
    pub stops_on_attach: bool,
    /// Whether the thread stopped after `SIGSTOP` to its process.
    pub stops_on_sigstop: bool,
    /// Whether the stopped thread ran again after `SIGCONT`.
    pub resumes_on_sigcont: bool,
    /// Whether both freezers froze and thawed the thread.
    pub freezes: Option<bool>,
    /// Whether the freezer of cgroup v1 froze and thawed the thread.
    pub freezes_v1: Option<bool>,
    /// Whether the freezer of cgroup v2 froze and thawed the thread.
    pub freezes_v2: Option<bool>,
    /// State letter while frozen by cgroup v1.
    pub state_frozen_v1: Option<String>,
    /// State letter while frozen by cgroup v2.
    pub state_frozen_v2: Option<String>,
    /// Whether one fatal signal to the process ended the thread.
    pub dies_with_group: bool,
    /// The thread's `NT_PRSTATUS` note in a core dump of another process of the same program.
    #[serde(default)]
    pub core: Option<CoreNote>,
    /// The leader's registers at the entry of the system call that created the thread.
    pub creator_regs: Option<Registers>,
}

/// The `NT_PRSTATUS` note of a thread in a core dump.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoreNote {
    /// Size in bytes of the registers in the note: 216 in a 64-bit view, 68 in a 32-bit one.
    pub bytes: u64,
    /// The registers in the note; those that its view lacks are `null`.
    pub regs: Registers,
}

impl CoreNote {
    /// The registers of [`Register::FRAME`] that the note's view has.
    pub(super) fn frame(&self) -> impl Iterator<Item = Register> {
        let is_64_bit = self.bytes > 68;
        Register::FRAME.iter().copied().filter(move |register| is_64_bit || !register.is_64_bit_only())
    }
}

impl Observation {
    /// Whether io_uring created the thread.
    pub fn is_io_thread(&self) -> bool {
        self.thread.starts_with("iou-")
    }

    /// The value of a register in the thread's core note.
    pub(super) fn core_register(&self, register: Register) -> Option<Hex> {
        self.core.as_ref()?.regs[register]
    }

    /// The value that the creator had in a register at the entry of its system call.
    pub fn creator_register(&self, register: Register) -> Option<Hex> {
        self.creator_regs.as_ref()?[register]
    }

    /// Registers, live or in the core note, that hold an address of the kernel's half of the
    /// address space.
    ///
    /// The topmost page is not mapped; numbers in it are negated errnos.
    pub(super) fn kernel_addresses(&self) -> Vec<(Register, Hex)> {
        let kernel = 0xffff_8000_0000_0000..0xffff_ffff_ffff_f000_u64;
        Register::ALL
            .into_iter()
            .flat_map(|register| [(register, self.regs[register]), (register, self.core_register(register))])
            .filter_map(|(register, value)| Some((register, value?)))
            .filter(|(_, value)| kernel.contains(&value.0))
            .collect()
    }

    /// Whether the creator's registers tell a copied register from a zeroed one: none of the registers
    /// that a program of this size can set was zero.
    pub(super) fn creator_is_telling(&self) -> bool {
        Register::FRAME
            .iter()
            .filter(|register| self.tracee_bits == 64 || !register.is_64_bit_only())
            .all(|register| self.creator_register(*register).is_some_and(|value| value.0 != 0))
    }
}
