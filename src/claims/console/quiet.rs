//! Words that look like a complaint and are none.

use std::sync::LazyLock;

use regex::RegexSet;

static CHATTER: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        // A fault of a program: arch/x86/kernel/traps.c, `show_signal`.
        r"general protection fault .*ip:[0-9a-f]+ sp:[0-9a-f]+ error:[0-9a-f]+",
        // Words that end in the marker: `DEBUG:`, `ODEBUG:`, `BTF_INFO:`.
        r"[A-Za-z_]BUG:|_INFO:",
        // The second line of an old KASAN report.
        r"kasan: bad access detected",
        // Prints of the checkers about themselves: kernel/locking/lockdep.c, kernel/rcu/tree_stall.h.
        r"INFO: lockdep is turned off|INFO: Stall ended before state dump start",
        // kernel/panic.c, at the end of a panic.
        r"-\[ end Kernel panic",
        // The kernel's own command line.
        r"^(?:Kernel command|Command) line: ",
    ])
    .expect("valid expressions")
});

/// Whether the message is no complaint, although it has the words of one.
pub(super) fn is_chatter(message: &str) -> bool {
    CHATTER.is_match(message)
}
