//! Claims: the statements of a series about a booted kernel, and the judgement on each of them.
//!
//! A claim is a table of `series.toml`:
//!
//! ```toml
//! [[claim]]
//! tracee = 64               # 64 or 32; omit it for both
//! threads = "io"            # "io": every io thread; "leader"; or one kind: "iou-sqp", "iou-mgr", "iou-wrk"
//! lines = ["5.10", "6.1"]   # omit it for every release line
//! ia32 = true               # only kernels with (or, false, without) 32-bit emulation
//! shows = { peekuser_cs = "0x33", regset_bytes = 216, regs = "zero", ax = "0x1" }
//! ```
//!
//! Each entry of `shows` is judged separately. It holds if at least one such thread was observed
//! and all of them show the expected value; `io` requires both a poller and a worker. The keys are
//!
//! - the fields of an [`Observation`] (`attach`, `listed`, `freezes` …) with their value in
//!   `report.json`; `null` is written `"unseen"`;
//! - the names of the 27 registers of `user_regs_struct` (`r15` … `gs`), with a number, or
//!   `"zero"`, `"creator"` (the value that the creator's register had when it entered the system
//!   call that created the thread) or `"unseen"`;
//! - `regs` and `thread_regs`, with one of these words, for all registers that the same table
//!   does not name: the 21 of `pt_regs`, and the 6 (`fs_base` `gs_base` `ds` `es` `fs` `gs`)
//!   that the kernel keeps in `thread_struct`;
//! - `kernel_addresses = "none"`: no readable register holds a kernel address;
//! - `creator = "telling"`: no register of the creator was zero, which distinguishes copied
//!   registers from zeroed ones;
//! - `core_bytes`, and `core_` followed by a register's name or by `regs`: the same for the
//!   thread's `NT_PRSTATUS` note in a core dump.
//!
//! A claim about a debugger covers a range of its versions:
//!
//! ```toml
//! [[debugger]]
//! debugger = "gdb"          # or "strace"
//! from = "10"               # omit both bounds for every version
//! before = "13"
//! tracee = 64               # and lines, as above
//! shows = { outcome = "clean", usable = true, tracee_after = "running" }
//! ```
//!
//! It is judged for each debugger that the run requested; a debugger that did not run fails it.
//!
//! Every series also makes the side claims of `claims/side.toml`. A series' own claim about
//! the same tracee, threads and key replaces the side claim.

mod answer;
mod claim;
pub mod console;
mod debugger_claim;
mod debugger_run;
mod expected;
mod judge;
mod observation;
mod observed;
mod register;
mod series;
mod text_serde;

pub use answer::{Answer, Errno, Peek};
pub use claim::{Bits, Claim, Threads};
pub use debugger_claim::{DebuggerClaim, ExpectedRun, Version};
pub use debugger_run::{DebuggerOutcome, DebuggerRun, TraceeAfter};
pub use expected::{Expected, ExpectedValues};
pub use judge::{judge, needs_observation};
pub use observation::{CoreNote, Observation};
pub use observed::{Judgement, Observed};
pub use register::{Hex, Register, Registers};
pub use series::Claims;
