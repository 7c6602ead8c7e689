//! The function that a report is about: the first frame of a stack trace that is not part of the kernel's own machinery
//! for reporting, locking, allocating or copying.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Where the functions of a report are, in order of preference.
pub(super) type Search = &'static [Path];

/// One way through a report: lines, in this order, whose groups are functions; then, if
/// `trace`, the frames that follow.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) lines: &'static [&'static str],
    pub(super) trace: bool,
    pub(super) choice: Choice,
}

/// Which of the collected functions names the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The innermost one.
    Innermost,
    /// The entry of the work that goes on for ever: a stall is seen at a random place of a loop.
    Entry,
    /// The innermost one that is not about waiting.
    Waiter,
}

/// A function with its offset, as `%pS` prints it (Documentation/core-api/printk-formats.rst); without suffixes of the
/// compiler such as `.isra.0`, `.constprop.1` and `.cold`.
const FUNCTION: &str = r"([A-Za-z_][A-Za-z0-9_]*)(?:\.[A-Za-z0-9_.]*)?\+0x[0-9a-f]+";
const ADDRESS: &str = r"\[<?(?:0x)?[0-9a-f]+>?\]";

/// The instruction pointer of x86 (`RIP: 0010:f+0x1/0x2`, `IP: [<…>] f+0x1/0x2`), Arm (`PC is at f+0x1/0x2`, `pc : f+0x1/0x2`),
/// RISC-V (`epc : f+0x1/0x2`) and PowerPC (`NIP [c…] f+0x1/0x2`).
pub(super) const POINTER: &str =
    r"\b(?:[RE]?IP|NIP|PC is at|e?pc) ?:? *(?:[0-9a-f]{4}:)? *(?:{A} *){0,2}(?:{F}|0x[0-9a-f]+\b|\(null\))";
/// The heading of a stack trace.
pub(super) const TRACE: &str = r"Call [Tt]race:|Backtrace:";
/// Lock reports name the place of a lock behind `at:`.
pub(super) const AT: &str = r"\bat: (?:{A} +)?{F}";

static FRAME: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^\s*(?:{A} ){0,2}(?:\? )?(?:{F}|(<[^+]+>(?:::\w+)*)\+0x)"));
/// `[<80010000>] (caller) from [<80020000>] (callee+0x1/0x2)`: Arm prints both.
static ARM_FRAME: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"^\s*(?:{A} )?\(?([A-Za-z_][A-Za-z0-9_]*)[A-Za-z0-9_.]*\)? from (?:{A} )?\(?{F}")
});
/// What begins another trace.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"Call [Tt]race|Allocated(?: by task [0-9]+)?:|Freed(?: by task [0-9]+)?:|(?:^|[^k]) backtrace(?: \(crc [0-9a-f]+\))?:|Backtrace:|Uninit was stored to memory at",
    )
});

/// The regular expression, with `{F}` for a function and `{A}` for an address.
pub(super) fn compile(pattern: &str) -> Regex {
    Regex::new(&pattern.replace("{F}", FUNCTION).replace("{A}", ADDRESS)).expect("a valid expression")
}

/// Functions that report, check, lock, allocate, copy, print or wait for others: never the subject.
const MACHINERY: &[&str] = &[
    // Reporting: kernel/panic.c, lib/bug.c, lib/dump_stack.c, arch/*/kernel/traps.c and stacktrace.c.
    "dump_stack",
    "show_stack",
    "dump_backtrace",
    "walk_stack",
    "stack_trace_save",
    "stack_trace_consume",
    "arch_stack_walk",
    "panic",
    "__warn",
    "warn_slowpath",
    "warn_alloc",
    "warn_bogus",
    "report_bug",
    "bug_handler",
    "do_debug_exception",
    "el1_dbg",
    "brk_handler",
    "fixup_bug",
    "print_report",
    "print_usage_bug",
    "do_error",
    "invalid_op",
    "_trap$",
    "do_trap",
    "get_taint$",
    "print_tainted",
    "assertfail",
    "program_check_",
    "do_(?:kernel|translation)_fault",
    "do_mem_abort",
    "el1_abort",
    "el1h_64_sync",
    "_indirect_thunk_",
    "fortify_report",
    // Sanitizers and checks: mm/kasan, mm/kmsan, kernel/kcsan, mm/slub.c, lib/debugobjects.c, lib/usercopy.c.
    "__sanitizer",
    "__asan",
    "kasan",
    "hwasan",
    "__msan",
    "kmsan",
    "kcsan_setup_watchpoint",
    "check_memory_region",
    "check_heap_object",
    "check_object",
    "read_word_at_a_time",
    "(?:read|write)_once_.*nocheck",
    "print_address_description",
    "debug_object",
    "(?:timer|work)_is_static_object",
    "might_fault",
    "might_sleep",
    "might_resched",
    "ref_tracker",
    "seqprop_assert",
    "__phys_addr",
    "logic_(?:in|out)",
    // Allocation: mm/slab_common.c, mm/slub.c, mm/page_alloc.c, mm/filemap.c.
    "alloc_page",
    "k?v?[mzc]alloc",
    "krealloc",
    "kmem_cache",
    "allocate_slab",
    "alloc_frozen_pages",
    "folio_(?:alloc|unlock)",
    "filemap_alloc_folio",
    "__filemap_get_folio",
    "find_or_create_page",
    "do_read_cache_folio",
    "read_cache_page",
    "pagecache_get_page",
    "grab_cache_page_write_begin",
    "slab_",
    "^kv?free$",
    "kfree_skb",
    "ida_free",
    "memdup",
    "find_lock_entries",
    "truncate_inode_pages_range",
    "xas_(?:start|load|find)",
    "^(?:un)?lock_page",
    "mark_buffer_dirty",
    // Locks: kernel/locking.
    "lockdep",
    "print_unlock",
    "imbalance_bug",
    "lock_acquire",
    "lock_release",
    "lock_class",
    "mark_lock",
    "(?:reacquire|mark)_held_locks",
    "raw_spin_rq",
    "spin_(?:try|un)?lock",
    "(?:read|write)_(?:try|un)?lock",
    "^down$",
    "down_(?:read|write|trylock)",
    "up_(?:read|write)",
    "^(?:__|rt_)?mutex_",
    "owner_on_cpu",
    "osq_(?:un)?lock",
    "bh_(?:en|dis)able",
    "(?:trace|lockdep)_(?:hard|soft)irq",
    "perf_trace",
    "lock_timer_base",
    // Counters, bits, lists and trees: include/linux, lib.
    "atomic(?:64)?_(?:dec|inc|read|set|or|xor|and|add|sub|fetch|xchg|cmpxchg|try)",
    "(?:set|clear|change|test)_bit",
    "^refcount_",
    "^kref_",
    "list_(?:add|del|replace|move|splice)",
    "^(?:__)?rb_",
    "^klist_",
    "rhashtable_lookup",
    "^crc[0-9]",
    "crc_itu_t",
    // Strings, memory, user space, formatting: lib/string.c, lib/vsprintf.c, lib/iov_iter.c.
    "memcpy",
    "memcmp",
    "memset",
    "memchr",
    "memmove",
    "strn?cmp",
    "str[lns]?cpy",
    "strn?len",
    "strn?str",
    "strchr",
    "strn?dup",
    "string",
    "pointer",
    "sc?nprintf",
    "k?v?asprintf",
    "printk",
    "va_format",
    "dev_(?:info|notice|warn|err|alert|crit|emerg)",
    "hex_dump",
    "copy_(?:to|from)_(?:user|iter)",
    "copy_(?:page|folio)_(?:to|from)_iter",
    "^copy(?:in|out)$",
    "(?:put|get)_user",
    "extract_(?:user|iter)_to_sg",
    "(?:read|write)[bwlq]$",
    // Objects and their removal: lib/kobject.c, drivers/base, fs/inode.c, fs/dcache.c.
    "kobject_",
    "add_uevent_var",
    "get_device_parent",
    "device_(?:add|del|unregister|destroy|release|for_each_child|remove_file)",
    "^put_device$",
    "devres_release_all",
    "sysfs_remove",
    "hwrng_unregister",
    "i2c_del_adapter",
    "__unregister_client",
    "rollback_registered",
    "unregister_netdev",
    "tty_unregister_device",
    "^iput(?:_final)?$",
    "^ihold$",
    "drop_nlink",
    "(?:fast_)?dput",
    // Waiting and deferred work: kernel/workqueue.c, kernel/time/timer.c, kernel/sched/wait.c, kernel/kthread.c.
    "__wake_up",
    "finish_wait",
    "^complete$",
    "wait_for_completion",
    "del_timer",
    "timer_delete_sync",
    "__mod_timer",
    "sk_stop_timer_sync",
    "(?:flush|cancel|queue|insert)_work",
    "__cancel_work_timer",
    "try_to_grab_pending",
    "(?:flush|drain|destroy)_workqueue",
    "queue_delayed_work",
    "kthread_stop",
    "cleanup_srcu_struct",
    // USB's core: drivers/usb/core.
    "dummy_urb_enqueue",
    "usb_kill_(?:anchored_)?urb",
    "usb_control_msg",
    "usb_(?:hcd_)?submit_urb",
];

/// Where the kernel hands work to the function that loops: system calls, work queues, timers, softirqs, file operations,
/// protocols, faults.
const ENTRIES: &[&str] = &[
    "do_(?:fast_)?syscall_",
    "sysenter_dispatch",
    "tracesys_phase2",
    "el0_svc_handler",
    "invoke_syscall",
    "ret_fast_syscall",
    "process_one_work",
    "netif_receive_skb",
    "do_softirq",
    "call_timer_fn",
    "_run_timers",
    "run_timer_softirq",
    "hrtimer_run",
    "run_ksoftirqd",
    "smpboot_thread_fn",
    "^kthread$",
    "start_secondary",
    "cpu_startup_entry",
    "ret_from_fork",
    "tasklet_(?:hi_)?action",
    "vfs_(?:iter_)?(?:read|write)",
    "do_iter_(?:read|write|readv_writev)",
    "call_(?:read|write)_iter",
    "new_sync_(?:read|write)",
    "vfs_ioctl",
    "ksys_ioctl",
    "compat_(?:sys_)?ioctl",
    "blkdev_(?:driver_)?ioctl",
    "^call_mmap",
    "mmap_region",
    "do_mmap",
    "do_dentry_open",
    "vfs_open",
    "^sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl)",
    "^__sock_release",
    "^compat_sock_ioctl",
    "^setsockopt$",
    "kernel_setsockopt",
    "sock_common_setsockopt",
    "^listen$",
    "kernel_listen",
    "sk_common_release",
    "^accept$",
    "kernel_accept",
    "^nfnetlink_rcv_msg",
    "^rtnetlink_rcv_msg",
    "^netlink_dump",
    "^(?:sys_)?(?:socketpair|connect|ioctl)",
    "__do_fault",
    "do_page_fault",
    "^page_fault$",
    "__fput",
    "task_work_run",
    "exit_to_usermode",
    "smp_call_function",
];

/// Functions in which a task waits.
const WAITING: &[&str] = &[
    "sched",
    "_lock",
    "_slowlock",
    "down",
    "rwsem",
    "completion",
    "kthread",
    "wait",
    "synchronize",
    "context_switch",
    "__switch_to",
    "cancel_delayed_work",
    "rcu_barrier",
];

/// Names that the kernel puts before the function of a system call: include/linux/syscalls.h, arch/*/include/asm/syscall_wrapper.h.
const SYSCALL_PREFIXES: [&str; 15] = [
    "__do_sys_",
    "__se_sys_",
    "____sys_",
    "___sys_",
    "__sys_",
    "compat_SYSC_",
    "compat_SyS_",
    "__x64_",
    "__ia32_",
    "__arm64_",
    "SYSC_",
    "SyS_",
    "ksys_",
    "__se_",
    "sys_",
];

fn any(words: &[&str]) -> Regex {
    compile(&words.join("|"))
}

static MACHINERY_REGEX: LazyLock<Regex> = LazyLock::new(|| any(MACHINERY));
static ENTRY_REGEX: LazyLock<Regex> = LazyLock::new(|| any(ENTRIES));
static WAITING_REGEX: LazyLock<Regex> = LazyLock::new(|| any(WAITING));

/// The function of a report, by the first path of `search` that finds one. `skip` holds patterns of functions that are
/// machinery in this kind of report.
pub(super) fn function(lines: &[&str], search: Search, skip: &[&str]) -> Option<String> {
    let skip = (!skip.is_empty()).then(|| any(skip));
    let is_skipped =
        |name: &str| MACHINERY_REGEX.is_match(name) || skip.as_ref().is_some_and(|skip| skip.is_match(name));
    // An uncertain frame, `? f+0x1/0x2`, may be a leftover on the stack.
    let found = [false, true]
        .into_iter()
        .find_map(|uncertain| search.iter().find_map(|path| path.function(lines, uncertain, &is_skipped)));
    // A report about the machinery itself.
    found
        .or_else(|| search.iter().find_map(|path| path.named(lines).0.first().map(|name| (*name).to_owned())))
}

impl Path {
    fn function(&self, lines: &[&str], uncertain: bool, is_skipped: &dyn Fn(&str) -> bool) -> Option<String> {
        let (mut found, rest) = self.named(lines);
        if self.trace {
            found.extend(frames(rest, uncertain));
        }
        let found: Vec<_> = found.into_iter().filter(|name| !is_skipped(name)).map(without_prefix).collect();
        self.choice.of(&found).map(demangled)
    }

    /// The functions that the lines of this path name, and what follows the last of these lines.
    fn named<'l, 's>(&self, lines: &'s [&'l str]) -> (Vec<&'l str>, &'s [&'l str]) {
        let mut found = Vec::new();
        let mut rest = lines;
        for pattern in self.lines.iter().map(|pattern| cached(pattern)) {
            let matching = rest.iter().enumerate().find_map(|(at, line)| Some((at, pattern.captures(line)?)));
            let Some((at, captures)) = matching else { continue };
            found.extend(groups(&captures));
            rest = &rest[at + 1..];
        }
        (found, rest)
    }
}

/// The text of each group that matched.
fn groups<'l>(captures: &Captures<'l>) -> impl Iterator<Item = &'l str> {
    captures.iter().skip(1).flatten().map(|group| group.as_str()).collect::<Vec<_>>().into_iter()
}

/// Compiles each pattern once.
pub(super) fn cached(pattern: &'static str) -> &'static Regex {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    static COMPILED: Mutex<BTreeMap<&str, &Regex>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    compiled.entry(pattern).or_insert_with(|| Box::leak(Box::new(compile(pattern))))
}

/// The functions of the trace that goes on at the start of `lines`, innermost first, up to the heading of another trace.
fn frames<'l>(lines: &[&'l str], uncertain: bool) -> Vec<&'l str> {
    let mut frames = Vec::new();
    for line in lines.iter().take_while(|line| !HEADING.is_match(line)) {
        if let Some(frame) = ARM_FRAME.captures(line) {
            frames.extend(groups(&frame));
        } else if let Some(frame) = FRAME.captures(line)
            && (uncertain || !(line.contains("? ") || line.contains("(unreliable)")))
        {
            frames.extend(groups(&frame));
        }
    }
    frames
}

/// The path of a Rust function; any other name as it is.
fn demangled(name: String) -> String {
    rustc_demangle::try_demangle(&name).map_or(name.clone(), |path| format!("{path:#}"))
}

fn without_prefix(name: &str) -> &str {
    let prefixes =
        SYSCALL_PREFIXES.iter().filter(|prefix| name.len() > prefix.len() && name.starts_with(**prefix));
    prefixes.map(|prefix| &name[prefix.len()..]).min_by_key(|rest| rest.len()).unwrap_or(name)
}

impl Choice {
    fn of(self, found: &[&str]) -> Option<String> {
        match self {
            Choice::Innermost => found.first().map(|name| (*name).to_owned()),
            Choice::Entry => entry(found).map(str::to_owned),
            Choice::Waiter => waiter(found).map(str::to_owned),
        }
    }
}

/// The function that an entry called; a call on other processors names itself.
fn entry<'f>(found: &[&'f str]) -> Option<&'f str> {
    let at = found.iter().position(|name| ENTRY_REGEX.is_match(name))?;
    if found[at].contains("smp_call_function") {
        return Some("smp_call_function");
    }
    Some(found[at.saturating_sub(1)])
}

/// Two resources explain most hangs, whoever waits for them: the networking lock and a grace period of RCU.
fn waiter<'f>(found: &[&'f str]) -> Option<&'f str> {
    for name in found {
        if name.contains("rtnl_lock") {
            return Some(name);
        }
        if ["synchronize_rcu", "synchronize_srcu", "synchronize_net", "synchronize_sched"]
            .iter()
            .any(|wait| name.contains(wait))
        {
            return Some("synchronize_rcu");
        }
    }
    found.iter().copied().find(|name| !WAITING_REGEX.is_match(name))
}
