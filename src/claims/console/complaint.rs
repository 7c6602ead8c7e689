//! What the console reader finds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The kernel panicked.
    Panic,
    /// A fault whose cause was not printed.
    Oops,
    /// `BUG()`.
    KernelBug,
    /// A page fault of the kernel, at a null pointer for example.
    PageFault,
    /// A general protection fault.
    GeneralProtection,
    /// A division by zero.
    DivideError,
    /// A double fault.
    DoubleFault,
    /// Another fault of the processor.
    Trap,
    /// A panic of Rust code.
    RustPanic,
    /// A kernel stack that overflowed.
    StackOverflow,
    /// A kernel stack that was overwritten.
    StackCorruption,
    /// A list whose links are wrong.
    ListCorruption,
    /// A copy between kernel and user space with wrong bounds.
    UserCopy,
    /// `WARN()`.
    Warning,
    /// The lock validator, RCU's included, and the spin lock checks.
    Lockdep,
    /// The address sanitizer.
    Kasan,
    /// The sanitizer of uninitialised memory.
    Kmsan,
    /// The data race sanitizer.
    Kcsan,
    /// The sampling memory checker.
    Kfence,
    /// The sanitizer of undefined behaviour.
    Ubsan,
    /// The checker of timers, work items and other objects.
    Odebug,
    /// A reference count that saturated or became 0 too early.
    Refcount,
    /// The slab allocator's checks.
    Slab,
    /// A page in a wrong state.
    BadPage,
    /// Memory that nothing refers to.
    MemoryLeak,
    /// An object of the VFS that was still used when it was freed.
    UseAfterFree,
    /// Sleeping where that is forbidden, or per-CPU data used where the task may move.
    Atomic,
    /// A grace period of RCU that does not end.
    RcuStall,
    /// A processor that does not schedule.
    SoftLockup,
    /// A processor that does not take interrupts.
    HardLockup,
    /// A task, a work queue or a network device that waits for too long.
    HungTask,
    /// Another message that begins with `BUG:`.
    Bug,
    /// The kernel started again.
    Reboot,
}

/// How much a complaint weighs, as [`KernelMessages`](super::KernelMessages) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Warning,
    Oops,
    Panic,
}

impl Kind {
    pub(super) fn severity(self) -> Severity {
        use Kind::*;
        match self {
            Panic | StackCorruption => Severity::Panic,
            Warning | Lockdep | Ubsan | Odebug | Refcount | MemoryLeak | RcuStall | HungTask => {
                Severity::Warning
            }
            _ => Severity::Oops,
        }
    }

    /// Whether the kernel stopped.
    pub fn is_panic(self) -> bool {
        self.severity() == Severity::Panic
    }

    /// Whether it counts as an oops.
    pub fn is_oops(self) -> bool {
        self.severity() == Severity::Oops
    }
}

/// A report that the kernel printed about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Complaint {
    /// Its kind.
    pub kind: Kind,
    /// Kind and function: `WARNING in smp_call_function_many_cond`.
    pub name: String,
    /// Line of the console where it begins, from 1.
    pub line: u64,
    /// That line, without its prefixes.
    pub text: String,
    /// Why it does not count: the reason of the allowance that matches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}
