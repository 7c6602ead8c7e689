//! The kernel's messages on its console: panics, oopses, warnings, and the last line.

use std::io::{self, BufRead, Read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Number of complaints on the console. Panics and oopses fail the verdict; warnings only become a note,
/// because TCG and unusual hosts provoke warnings that have nothing to do with the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelMessages {
    /// Warnings, UBSAN reports, stalls and hung tasks.
    pub warnings: u32,
    /// Oopses and other bug reports.
    pub oopses: u32,
    /// Panics.
    pub panics: u32,
}

/// A classified console log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// Number of messages of each kind.
    pub messages: KernelMessages,
    /// The first warning, without its time stamp.
    pub first_warning: Option<String>,
    /// The first oops, without its time stamp.
    pub first_oops: Option<String>,
    /// The first panic, without its time stamp.
    pub first_panic: Option<String>,
    /// The last line that is not empty.
    pub last: Option<String>,
}

/// Bytes of the longest line that is kept whole.
const LINE: u64 = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageKind {
    Warning,
    Oops,
    Panic,
}

impl Console {
    /// Classifies the text of a console. A line longer than 64 KiB counts as several: a guest may print anything.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(mut log: impl BufRead) -> io::Result<Console> {
        let mut console = Console::default();
        let mut line = Vec::new();
        while log.by_ref().take(LINE).read_until(b'\n', &mut line)? > 0 {
            console.read_line(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        Ok(console)
    }

    fn read_line(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        self.last = Some(line.to_owned());
        let message = without_prefix(line);
        let (count, first) = match kind(message) {
            None => return,
            Some(MessageKind::Warning) => (&mut self.messages.warnings, &mut self.first_warning),
            Some(MessageKind::Oops) => (&mut self.messages.oopses, &mut self.first_oops),
            Some(MessageKind::Panic) => (&mut self.messages.panics, &mut self.first_panic),
        };
        *count += 1;
        first.get_or_insert_with(|| message.to_owned());
    }

    /// Whether the kernel printed nothing.
    pub fn is_silent(&self) -> bool {
        self.last.is_none()
    }
}

/// Removes `[    1.234567] ` and, with CONFIG_PRINTK_CALLER, `[    T1] `.
fn without_prefix(line: &str) -> &str {
    let mut rest = line;
    while let Some((inside, after)) = rest.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let stamp = inside.trim_start().trim_start_matches(['T', 'C']);
        if stamp.is_empty() || !stamp.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

fn kind(message: &str) -> Option<MessageKind> {
    if message.starts_with("Kernel panic - not syncing") {
        return Some(MessageKind::Panic);
    }
    // die() (arch/x86/kernel/dumpstack.c) numbers each oops: `Oops: 0002 [#1] SMP`, `invalid opcode: 0000 [#1]`.
    // The line with the cause (`BUG: unable to handle …`, `kernel BUG at …`) precedes it.
    if has_die_counter(message) {
        return Some(MessageKind::Oops);
    }
    if let Some(at) = message.find("BUG: ").filter(|at| *at == 0 || message.starts_with("watchdog: ")) {
        let cause = &message[at + "BUG: ".len()..];
        let followed_by_oops =
            cause.starts_with("unable to handle") || cause.starts_with("kernel NULL pointer");
        return (!followed_by_oops).then_some(MessageKind::Oops);
    }
    let warns = message.starts_with("WARNING: ")
        || message.starts_with("UBSAN: ")
        || message.starts_with("rcu: INFO: ")
        || message.starts_with("INFO: task ") && message.contains("blocked for more than");
    warns.then_some(MessageKind::Warning)
}

fn has_die_counter(message: &str) -> bool {
    message.split_once("[#").is_some_and(|(_, rest)| {
        rest.split_once(']')
            .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(log: &str) -> (u32, u32, u32) {
        let KernelMessages { warnings, oopses, panics } = Console::read(log.as_bytes()).unwrap().messages;
        (warnings, oopses, panics)
    }

    const PANIC: &str = "\
[    2.101933] Run /init as init process
[    2.110001] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
[    2.110400] CPU: 0 PID: 1 Comm: init Not tainted 6.1.187 #1
[    2.111301] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b ]---
";

    const NULL_POINTER_5_12: &str = "\
[    1.870001] BUG: kernel NULL pointer dereference, address: 0000000000000010
[    1.870100] #PF: supervisor read access in kernel mode
[    1.870300] Oops: 0000 [#1] SMP PTI
[    1.870400] CPU: 1 PID: 27 Comm: iou-sqp-25 Not tainted 5.12.9 #1
[    1.871000] ---[ end trace 5a1c3b9f30dd18e5 ]---
";

    const OOPS_6_12: &str = "\
[    1.870001][   T27] BUG: unable to handle page fault for address: ffffffffc0000000
[    1.870300][   T27] Oops: Oops: 0002 [#1] PREEMPT SMP PTI
";

    const PROTECTION_FAULT: &str =
        "[    3.1] general protection fault, probably for non-canonical address 0x5eed0000: 0000 [#1] SMP\n";

    const KERNEL_BUG: &str = "\
[    3.100000] kernel BUG at kernel/fork.c:1234!
[    3.100100] invalid opcode: 0000 [#1] SMP PTI
";

    const WARNING: &str = "\
[    0.500000] ------------[ cut here ]------------
[    0.500100] WARNING: CPU: 0 PID: 1 at kernel/smp.c:912 smp_call_function_many_cond+0x1a0/0x2a0
[    0.500200] Modules linked in:
[    0.500900] ---[ end trace 0000000000000000 ]---
";

    #[test]
    fn a_panic_is_counted_once() {
        assert_eq!(counts(PANIC), (0, 0, 1));
    }

    #[test]
    fn an_oops_is_counted_once_in_every_spelling() {
        for log in [NULL_POINTER_5_12, OOPS_6_12, PROTECTION_FAULT, KERNEL_BUG] {
            assert_eq!(counts(log), (0, 1, 0), "{log}");
        }
        assert_eq!(counts(&format!("{NULL_POINTER_5_12}{KERNEL_BUG}")), (0, 2, 0));
    }

    #[test]
    fn bugs_that_kill_no_task_count_as_oopses() {
        assert_eq!(
            counts("[   30.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]\n"),
            (0, 1, 0)
        );
        assert_eq!(counts("[    1.0] BUG: scheduling while atomic: init/1/0x00000002\n"), (0, 1, 0));
    }

    #[test]
    fn only_real_warnings_are_counted() {
        assert_eq!(counts(WARNING), (1, 0, 0));
        assert_eq!(
            counts("[    1.0] WARNING: kernel/fork.c:12 at copy_process+0x1/0x2, CPU#1: init/1\n"),
            (1, 0, 0)
        );
        for harmless in [
            "[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled\n",
            "[    0.1] Warning: unable to open an initial console.\n",
            "[    0.1] Command line: console=ttyS0 panic=-1 oops=panic\n",
            "[    0.1] x86/fpu: xstate_offset[2]:  576, xstate_sizes[2]:  256\n",
            "[    0.1] Loading [#x]\n",
        ] {
            assert_eq!(counts(harmless), (0, 0, 0), "{harmless}");
        }
    }

    #[test]
    fn the_first_message_and_the_last_line_are_kept() {
        let console = Console::read(PANIC.as_bytes()).unwrap();
        assert_eq!(
            console.first_panic.unwrap(),
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"
        );
        assert!(console.last.unwrap().contains("end Kernel panic"));
        assert!(Console::read(&b"\r\n\n"[..]).unwrap().is_silent());
    }
}
