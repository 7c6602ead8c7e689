//! The shapes of the kernel's complaints: how each begins, what it is called, and where its function stands.
//!
//! The wordings are those of the kernel's sources, from Linux 3.10 to 7.2; the comments name the files.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::complaint::Kind::{self, *};
use super::function::{AT, Choice, POINTER, Path, Search, TRACE, compile};
use super::quiet;

/// How a complaint relates to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is a report of its own.
    Report,
    /// It is one if a stack trace follows; the words alone may be a driver's or a program's.
    IfTraced,
    /// Part of the report that is being printed, if any; else a report whose beginning is lost.
    Part,
    /// The end of the report before it, if any: a panic because of a warning or an oops.
    End,
}

/// One wording.
#[derive(Debug)]
pub(super) struct Shape {
    /// A regular expression on the message.
    pub(super) opening: &'static str,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// With `{1}` for a group of the opening, `{detail}` for the group of `detail` and `{fn}` for the function.
    pub(super) name: &'static str,
    /// A regular expression with one group, searched in the report.
    pub(super) detail: Option<&'static str>,
    pub(super) search: Search,
    /// Further functions that are machinery here.
    pub(super) skip: &'static [&'static str],
}

const INNERMOST: Choice = Choice::Innermost;
const NOWHERE: Search = &[];
const OF_TRACE: Search = &[Path { lines: &[TRACE], trace: true, choice: INNERMOST }];
/// At the instruction pointer; where that is machinery or nowhere, in the trace behind it.
const OF_TRAP: Search = &[Path { lines: &[POINTER, TRACE], trace: true, choice: INNERMOST }];
const AT_POINTER: Search = &[Path { lines: &[POINTER], trace: false, choice: INNERMOST }];
/// Newer kernels warn by a trap, whose registers precede the trace of the function that warns; PowerPC marks the trap in
/// the trace.
const OF_WARNING: Search = &[
    Path {
        lines: &[
            r"(?:\bRIP|\bE?IP|\bNIP|PC is at|\be?pc) ?:? *(?:[0-9a-f]{4}:)?(?:{A} *){0,2}{F}|--- interrupt: [0-9a-f]+ at {F}",
        ],
        trace: true,
        choice: INNERMOST,
    },
    Path { lines: &[TRACE], trace: true, choice: INNERMOST },
    Path { lines: &[r"WARNING: .*\bat .*\s{F}|WARNING: .* at {F}"], trace: false, choice: INNERMOST },
];
const AT_LOCKS: Search =
    &[Path { lines: &["is trying to acquire lock", AT, AT], trace: true, choice: INNERMOST }];
const OF_STALL: Search = &[
    Path { lines: &["apic_timer_interrupt", POINTER], trace: true, choice: Choice::Entry },
    Path { lines: &["apic_timer_interrupt|Exception stack|el1h_64_irq"], trace: true, choice: Choice::Entry },
    Path { lines: &[POINTER, TRACE], trace: true, choice: Choice::Entry },
    Path { lines: &[TRACE], trace: true, choice: Choice::Entry },
];
const OF_LOOP: Search = &[
    Path { lines: &[POINTER, TRACE], trace: true, choice: Choice::Entry },
    Path { lines: &[TRACE], trace: true, choice: Choice::Entry },
];

impl Shape {
    const fn new(kind: Kind, opening: &'static str, name: &'static str, search: Search) -> Shape {
        Shape { opening, kind, role: Role::Report, name, detail: None, search, skip: &[] }
    }

    const fn role(self, role: Role) -> Shape {
        Shape { role, ..self }
    }

    const fn skip(self, skip: &'static [&'static str]) -> Shape {
        Shape { skip, ..self }
    }

    const fn detail(self, detail: &'static str) -> Shape {
        Shape { detail: Some(detail), ..self }
    }
}

/// Kernel Address Sanitizer and its relatives: mm/kasan/report.c, mm/kmsan/report.c, kernel/kcsan/report.c,
/// mm/kfence/report.c, lib/ubsan.c.
const SANITIZERS: &[Shape] = &[
    Shape::new(
        Kasan,
        r"BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in {F}",
        "KASAN: invalid-free in {fn}",
        &[Path { lines: &[r"KASAN: [a-z -]+ in {F}", TRACE], trace: true, choice: INNERMOST }],
    )
    .skip(&["slab_", "kfree", "vunmap", "vfree"]),
    Shape::new(
        Kasan,
        r"BUG: KASAN: ([a-z-]+) (?:in|on) ",
        "KASAN: {1} {detail} in {fn}",
        &[Path { lines: &[r"KASAN: [a-z -]+ in {F}", TRACE], trace: true, choice: INNERMOST }],
    )
    .detail(r"\b(Read|Write) (?:of size|at addr) ")
    .skip(&["kernel_fault", "tag_check", "mem_abort", "^el1_", "^el1h_"]),
    Shape::new(Kasan, r"BUG: KASAN: (.*)", "KASAN: {1}", NOWHERE),
    Shape::new(
        Kmsan,
        r"BUG: KMSAN: (kernel-usb-infoleak)",
        "KMSAN: {1} in {fn}",
        &[Path { lines: &["BUG: KMSAN"], trace: true, choice: INNERMOST }],
    )
    .skip(&[
        "alloc_skb",
        "usb_submit_urb",
        "usb_start_wait_urb",
        "usb_bulk_msg",
        "usb_interrupt_msg",
        "usb_control_msg",
    ]),
    Shape::new(
        Kmsan,
        r"BUG: KMSAN: ([a-z-]+)",
        "KMSAN: {1} in {fn}",
        &[Path { lines: &["BUG: KMSAN"], trace: true, choice: INNERMOST }],
    )
    .skip(&["alloc_skb", "netlink_ack", "netlink_rcv_skb", "_encrypt$", "^(?:crypto|cipher|drbg|rng)_"]),
    Shape::new(Kcsan, r"BUG: KCSAN: (.*)", "KCSAN: {1}", NOWHERE),
    Shape::new(
        Kfence,
        r"BUG: KFENCE: (use-after-free read|use-after-free write|out-of-bounds read|out-of-bounds write|invalid read|invalid write|invalid free|memory corruption) in ",
        "KFENCE: {1} in {fn}",
        &[Path { lines: &[r"KFENCE: [a-z -]+ in {F}"], trace: true, choice: INNERMOST }],
    ),
    Shape::new(Kfence, r"BUG: KFENCE: (.*)", "KFENCE: {1}", NOWHERE),
    Shape::new(Ubsan, r"UBSAN: Undefined behaviour in", "UBSAN: undefined-behaviour in {fn}", OF_TRACE)
        .skip(&["ubsan", "overflow"]),
    Shape::new(Ubsan, r"UBSAN: (.+?) in ", "UBSAN: {1} in {fn}", OF_TRACE).skip(&["ubsan", "overflow"]),
];

/// Faults of the processor: arch/x86/mm/fault.c, arch/x86/kernel/traps.c, arch/arm*/mm/fault.c, arch/powerpc/kernel/traps.c.
const FAULTS: &[Shape] = &[
    Shape::new(
        PageFault,
        r"BUG: (?:unable to handle kernel paging request|unable to handle page fault for address|Unable to handle kernel data access)",
        "BUG: unable to handle kernel paging request in {fn}",
        OF_TRAP,
    ),
    Shape::new(
        PageFault,
        r"BUG: (?:unable to handle kernel NULL pointer dereference|[kK]ernel NULL pointer dereference)",
        "BUG: unable to handle kernel NULL pointer dereference in {fn}",
        OF_TRAP,
    ),
    Shape::new(PageFault, r"BUG: [uU]nable to handle kernel", "BUG: unable to handle kernel", NOWHERE),
    Shape::new(
        PageFault,
        r"Unable to handle kernel (paging request|NULL pointer dereference|access to user memory)",
        "BUG: unable to handle kernel {1} in {fn}",
        OF_TRAP,
    ),
    Shape::new(
        StackOverflow,
        r"BUG: .*stack guard page was hit at",
        "BUG: stack guard page was hit in {fn}",
        OF_LOOP,
    ),
    Shape::new(
        GeneralProtection,
        r"general protection fault.*:",
        "general protection fault in {fn}",
        OF_TRAP,
    ),
    Shape::new(Trap, r"\bstack segment: ", "stack segment fault in {fn}", OF_TRAP),
    Shape::new(DivideError, r"\bdivide[ _]error: ", "divide error in {fn}", AT_POINTER),
    Shape::new(Trap, r"\bint3: ", "int3 in {fn}", OF_TRAP),
    Shape::new(DoubleFault, r"PANIC: double fault", "PANIC: double fault in {fn}", AT_POINTER),
    Shape::new(DoubleFault, r"\bdouble fault: ", "PANIC: double fault in {fn}", AT_POINTER).role(Role::Part),
    Shape::new(Trap, r"Unhandled fault:", "Unhandled fault in {fn}", OF_TRAP),
    Shape::new(Trap, r"Alignment trap:", "Alignment trap in {fn}", OF_TRAP),
    Shape::new(RustPanic, r"rust_kernel: panicked at", "{detail} in {fn}", OF_TRACE)
        .detail("^ *([^ ].*)$")
        .skip(&["rust_begin_unwind"]),
    Shape::new(UserCopy, r"kernel BUG at mm/usercopy\.c", "BUG: bad usercopy in {fn}", OF_TRACE)
        .skip(&["usercopy", "__check"])
        .role(Role::Report),
    Shape::new(ListCorruption, r"kernel BUG at lib/list_debug\.c", "BUG: corrupted list in {fn}", OF_TRACE),
    // Network buffers have many helpers that check their arguments.
    Shape::new(KernelBug, r"kernel BUG at ", "kernel BUG in {fn}", OF_TRAP).skip(&["^skb_"]),
    Shape::new(KernelBug, r"Kernel BUG (.*)", "kernel BUG {1}", NOWHERE),
    // MT_BUG_ON() of include/linux/maple_tree.h, XA_BUG_ON() of lib/xarray.c: the kernel goes on.
    Shape::new(KernelBug, r"\bBUG at [A-Za-z0-9_/.-]+\.[ch]:[0-9]+", "BUG in {fn}", OF_TRACE)
        .role(Role::IfTraced),
    Shape::new(Oops, r"\binvalid opcode: ", "invalid opcode in {fn}", AT_POINTER).role(Role::Part),
    Shape::new(Oops, r"Internal error:", "Internal error in {fn}", OF_TRAP).role(Role::Part),
    // die() in arch/x86/kernel/dumpstack.c numbers each oops.
    Shape::new(
        Oops,
        r"(?:Oops|Bad mode|Bad trap|Machine check)\b.*\[#[0-9]+\]|: [0-9a-f]{4,8} \[#[0-9]+\]",
        "Oops in {fn}",
        OF_TRAP,
    )
    .role(Role::Part),
];

/// kernel/locking/lockdep.c, since 2.6.18. It wrote `INFO:` before 4.16 and `BUG:` for some until 5.1.
const LOCKS: &[Shape] = &[
    Shape::new(Lockdep, r"(?:WARNING|INFO): possible circular locking dependency detected", "possible deadlock in {fn}", AT_LOCKS)
        .skip(&["process_one_work", "flush_workqueue", "drain_workqueue", "destroy_workqueue"]),
    Shape::new(Lockdep, r"(?:WARNING|INFO): possible recursive locking detected", "possible deadlock in {fn}", &[
        Path { lines: &["is trying to acquire lock", AT], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"(?:WARNING|INFO): possible irq lock inversion dependency detected", "possible deadlock in {fn}", &[
        Path { lines: &["just changed the state of lock", AT], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"WARNING: .*-safe -> .*-unsafe lock order detected", "possible deadlock in {fn}", &[
        Path { lines: &["which became .* at:"], trace: true, choice: INNERMOST },
        Path { lines: &["is trying to acquire", AT], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"INFO: .*-safe -> .*-unsafe lock order detected", "possible deadlock in {fn}", &[
        Path { lines: &["is trying to acquire", AT], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"WARNING: inconsistent lock state", "inconsistent lock state in {fn}", OF_TRACE),
    Shape::new(Lockdep, r"INFO: inconsistent lock state", "inconsistent lock state in {fn}", &[
        Path { lines: &["takes", AT], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"(WARNING|INFO): suspicious RCU usage", "{1}: suspicious RCU usage in {fn}", OF_TRACE).skip(&["rcu", "kmem", "slab"]),
    Shape::new(Lockdep, r"(WARNING|BUG): bad unlock balance detected", "{1}: bad unlock balance in {fn}", &[
        Path { lines: &[r"{A} +{F}", TRACE], trace: true, choice: INNERMOST },
        Path { lines: &[AT, TRACE], trace: true, choice: INNERMOST },
        Path { lines: &[TRACE], trace: true, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"(WARNING|BUG): .*still has locks held!", "{1}: still has locks held in {fn}", &[
        Path { lines: &["still has locks held", r"\bat: (?:{A} +)?{F}|{A} +{F}"], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"(WARNING|BUG): lock held when returning to user space", "{1}: lock held when returning to user space in {fn}", &[
        Path { lines: &["leaving the kernel with locks still held", AT], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"(WARNING|BUG): held lock freed!", "{1}: held lock freed in {fn}", &[
        Path { lines: &["held lock freed", r"\bat: *(?:{A} +)?{F}|{A} +{F}"], trace: false, choice: INNERMOST },
    ]),
    Shape::new(Lockdep, r"WARNING: Nested lock was not taken", "WARNING: nested lock was not taken in {fn}", OF_WARNING),
    // Arm words it differently.
    Shape::new(Lockdep, r"BUG: Invalid wait context", "WARNING: locking bug in {fn}", OF_TRACE).skip(&["lock_sock", "release_sock"]),
    Shape::new(Lockdep, r"INFO: trying to register non-static key", "INFO: trying to register non-static key in {fn}", OF_TRACE).skip(&["stack", "lock", "IRQ"]),
    Shape::new(Lockdep, r"BUG: (spinlock|rwlock) (lockup suspected|already unlocked|recursion|cpu recursion|bad magic|wrong owner|wrong CPU|trylock failure on UP)", "BUG: {1} {2} in {fn}", OF_TRACE)
        .skip(&["spin_", "_lock", "_unlock"]),
    Shape::new(Lockdep, r"BUG: workqueue leaked lock or atomic", "BUG: workqueue leaked lock or atomic in {detail}", NOWHERE).detail(r"last function: ([A-Za-z0-9_]+)"),
    Shape::new(Lockdep, r"BUG: (MAX_[A-Z_]+ too low!)", "BUG: {1}", NOWHERE),
];

/// WARN() of kernel/panic.c. Its place decides the kind: debugobjects, refcounts, allocation sizes.
const WARNINGS: &[Shape] = &[
    Shape::new(
        Odebug,
        r"WARNING: .*lib/debugobjects\.c.* (?:debug_print|debug_check|at)",
        "WARNING: ODEBUG bug in {fn}",
        OF_WARNING,
    )
    .skip(&[
        "debug_",
        "rcu",
        "hrtimer_",
        "timer_",
        "work_",
        "percpu_",
        "vunmap",
        "vfree",
        "__free_",
        "debug_check",
        "kobject_",
    ]),
    Shape::new(
        UserCopy,
        r"WARNING: .*mm/usercopy\.c.* (?:usercopy_warn|at)",
        "WARNING: bad usercopy in {fn}",
        OF_WARNING,
    )
    .skip(&["usercopy", "__check"]),
    Shape::new(
        Warning,
        r"WARNING: .*lib/kobject\.c.* (?:kobject_|at)",
        "WARNING: kobject bug in {fn}",
        OF_WARNING,
    )
    .skip(&["kobject_"]),
    Shape::new(
        Warning,
        r"WARNING: .*fs/proc/generic\.c.* (?:proc_register|at)",
        "WARNING: proc registration bug in {fn}",
        OF_WARNING,
    )
    .skip(&["proc_"]),
    Shape::new(
        Refcount,
        r"WARNING: .*lib/refcount\.c.* (?:refcount_|at)",
        "WARNING: refcount bug in {fn}",
        OF_WARNING,
    )
    .skip(&["refcount", "kobject_"]),
    Shape::new(
        Lockdep,
        r"WARNING: .*kernel/locking/lockdep\.c.*lock_",
        "WARNING: locking bug in {fn}",
        OF_WARNING,
    )
    .skip(&["lock_sock", "release_sock"]),
    Shape::new(Warning, r"WARNING: .*mm/.*\.c.* k?.?malloc", "WARNING: kmalloc bug in {fn}", OF_WARNING)
        .skip(&["kmalloc", "krealloc", "slab", "kmem"]),
    Shape::new(
        Warning,
        r"WARNING: .*mm/vmalloc.c.*__vmalloc_node",
        "WARNING: zero-size vmalloc in {fn}",
        OF_WARNING,
    ),
    Shape::new(Warning, r"WARNING: .* usb_submit_urb", "WARNING in {fn}/usb_submit_urb", OF_WARNING).skip(&[
        "usb_submit_urb",
        "usb_start_wait_urb",
        "usb_bulk_msg",
        "usb_interrupt_msg",
        "usb_control_msg",
    ]),
    Shape::new(Warning, r"WARNING: .*\bat [A-Za-z0-9_/.-]+\.[a-z]+:[0-9]+", "WARNING in {fn}", OF_WARNING),
    Shape::new(
        Warning,
        r"WARNING: (?:\[.*\] )?[A-Za-z0-9_/.-]+\.[a-z]+:[0-9]+ at ",
        "WARNING in {fn}",
        OF_WARNING,
    ),
    // arch/x86/kernel/unwind_frame.c
    Shape::new(
        Warning,
        r"WARNING: kernel stack regs at .* has bad '([^']+)' value",
        "WARNING: kernel stack regs has bad '{1}' value",
        NOWHERE,
    ),
    Shape::new(
        Warning,
        r"WARNING: kernel stack frame pointer at .* has bad value",
        "WARNING: kernel stack frame pointer has bad value",
        NOWHERE,
    ),
    Shape::new(Warning, r"WARNING:", "WARNING in {fn}", OF_WARNING).role(Role::IfTraced),
];

/// kernel/rcu/tree_stall.h and tasks.h, kernel/watchdog.c, kernel/hung_task.c, kernel/workqueue.c.
const STALLS: &[Shape] = &[
    Shape::new(
        RcuStall,
        r"INFO: rcu_?[a-z_]* (?:self-)?detected(?: expedited)? stall",
        "INFO: rcu detected stall in {fn}",
        OF_STALL,
    )
    .skip(&["apic_timer_interrupt", "rcu"]),
    Shape::new(
        RcuStall,
        r"rcu: rcu_[a-z]+ kthread (?:starved|timer wakeup didn't happen) for",
        "INFO: rcu detected stall in {fn}",
        OF_STALL,
    )
    .role(Role::Part),
    Shape::new(SoftLockup, r"BUG: soft lockup", "BUG: soft lockup in {fn}", OF_LOOP),
    Shape::new(
        HardLockup,
        r"Watchdog detected hard LOCKUP|BUG: hard lockup",
        "BUG: hard lockup in {fn}",
        OF_LOOP,
    ),
    Shape::new(
        HungTask,
        r":[0-9]+ blocked (?:in I/O wait )?for more than [0-9]+ seconds",
        "INFO: task hung in {fn}",
        &[Path { lines: &[TRACE], trace: true, choice: Choice::Waiter }],
    ),
    Shape::new(
        HungTask,
        r"INFO: task .+ can't die for more than .* seconds",
        "INFO: task can't die in {fn}",
        OF_TRACE,
    )
    .skip(&["schedule"]),
    // fs/fs-writeback.c, in 7.2.
    Shape::new(
        HungTask,
        r"INFO: The task .+ has been waiting for writeback",
        "INFO: task waits for writeback",
        NOWHERE,
    ),
    Shape::new(HungTask, r"BUG: workqueue lockup", "BUG: workqueue lockup", NOWHERE),
    Shape::new(
        HungTask,
        r"unregister_netdevice: waiting for .* to become free",
        "unregister_netdevice: waiting for DEV to become free",
        NOWHERE,
    ),
];

/// Other checks: kernel/sched/core.c, lib/smp_processor_id.c, mm/page_alloc.c, mm/memory.c, mm/slub.c, mm/kmemleak.c,
/// fs/dcache.c, fs/super.c, fs/open.c.
const CHECKS: &[Shape] = &[
    Shape::new(Atomic, r"BUG: scheduling while atomic", "BUG: scheduling while atomic in {fn}", OF_TRACE)
        .skip(&["schedule"]),
    Shape::new(
        Atomic,
        r"BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context in {fn}",
        OF_TRACE,
    ),
    Shape::new(
        Atomic,
        r"BUG: using ([a-z_]+)\(\) in preemptible",
        "BUG: using {1}() in preemptible code in {fn}",
        OF_TRACE,
    )
    .skip(&["dump_stack", "preempt", "debug_", "processor_id", "this_cpu"]),
    Shape::new(
        BadPage,
        r"BUG: Bad page (state|cache)",
        "BUG: Bad page {1} in {fn}",
        &[Path { lines: &["page last allocated"], trace: true, choice: INNERMOST }],
    )
    .skip(&[
        "(?:free|put|get|update|release)_page",
        "free_unref",
        "^_*folio",
        "truncate_inode_pages",
        "page_frag_free",
        "alloc",
        "vmap",
        "page_owner",
    ]),
    Shape::new(
        BadPage,
        r"BUG: (Bad page map|Bad rss-counter state|non-zero [a-z_]+ on freeing mm)",
        "BUG: {1}",
        NOWHERE,
    ),
    Shape::new(
        MemoryLeak,
        r"BUG: memory leak",
        "memory leak in {fn}",
        &[Path { lines: &[r"backtrace(?: \(crc [0-9a-f]+\))?:"], trace: true, choice: INNERMOST }],
    )
    .skip(&[
        "kmemleak",
        "mmap",
        "kmem",
        "slab",
        "alloc",
        "create_object",
        "idr_get",
        "list_lru_init",
        "asprintf",
        "pcpu_create",
        "strn?dup",
        "memdup",
    ]),
    Shape::new(MemoryLeak, r"kmemleak: [0-9]+ new suspected memory leaks", "memory leak", NOWHERE),
    Shape::new(Slab, r"BUG kmalloc-.*: Object already free", "BUG: Object already free", NOWHERE),
    Shape::new(Slab, r"BUG \S+ \((?:Not tainted|Tainted[^)]*)\): (.+)", "BUG: {1}", NOWHERE),
    Shape::new(Slab, r"INFO: (Freed|Allocated) in ([^+ ]+)(?:\+0x\S+)?(.*)", "INFO: {1} in {2} {3}", NOWHERE)
        .role(Role::Part),
    Shape::new(
        UseAfterFree,
        r"BUG: Dentry .* still in use \([0-9-]+\) \[(unmount) of ",
        "BUG: Dentry still in use in {1}",
        NOWHERE,
    ),
    Shape::new(
        UseAfterFree,
        r"VFS: Close: file count is (?:0|zero)",
        "VFS: Close: file count is zero (use-after-free)",
        NOWHERE,
    ),
    Shape::new(
        UseAfterFree,
        r"VFS: Busy inodes after unmount",
        "VFS: Busy inodes after unmount (use-after-free)",
        NOWHERE,
    ),
    Shape::new(Bug, r"\bBUG: (.+)", "BUG: {1}", NOWHERE),
    Shape::new(Bug, r"\bBUG:\s*$", "BUG", NOWHERE),
];

/// kernel/panic.c
const PANICS: &[Shape] = &[
    Shape::new(StackCorruption, r"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: {F}", "kernel panic: stack is corrupted in {fn}", &[
        Path { lines: &["corrupted in: {F}"], trace: false, choice: INNERMOST },
    ]),
    Shape::new(StackCorruption, r"Kernel panic - not syncing: stack-protector:", "kernel panic: stack is corrupted in {fn}", OF_TRACE).skip(&["stack_chk"]),
    Shape::new(StackCorruption, r"Kernel panic - not syncing: corrupted stack end", "kernel panic: corrupted stack end in {fn}", OF_LOOP).skip(&["schedule", "retint_kernel"]),
    Shape::new(StackOverflow, r"Kernel panic - not syncing: kernel stack overflow", "kernel stack overflow in {fn}", &[
        Path { lines: &[TRACE], trace: true, choice: Choice::Entry },
    ])
    .skip(&["bad_stack"]),
    Shape::new(Panic, r"Kernel panic - not syncing: (Attempted to kill init!|Fatal exception|panic_on_warn set|hung_task: blocked tasks)", "kernel panic: {1}", NOWHERE).role(Role::End),
    Shape::new(Panic, r"Kernel panic - not syncing: (Couldn't open N_TTY ldisc)", "kernel panic: {1}", NOWHERE),
    Shape::new(Panic, r"Kernel panic - not syncing: (softlockup: .*|Hard LOCKUP|RCU Stall|Machine halted.*|Aiee, .*|Attempted to kill .*|Oops.*|(?:kernel|[A-Z]+): panic_on_.*)", "kernel panic: {1}", NOWHERE).role(Role::End),
    Shape::new(Panic, r"Kernel panic - not syncing: ?(.*)", "kernel panic: {1}", NOWHERE),
    Shape::new(Panic, r"Kernel panic", "kernel panic", NOWHERE),
];

/// Every shape; the first that matches a line is its shape.
pub(super) static SHAPES: LazyLock<Vec<(&'static Shape, Regex)>> = LazyLock::new(|| {
    let groups = [SANITIZERS, LOCKS, WARNINGS, STALLS, PANICS, FAULTS, CHECKS];
    groups.into_iter().flatten().map(|shape| (shape, compile(shape.opening))).collect()
});

static OPENINGS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(SHAPES.iter().map(|(_, opening)| opening.as_str())).expect("valid expressions")
});

/// The shape of the complaint that `message` begins.
pub(super) fn shape(message: &str) -> Option<&'static Shape> {
    let first = OPENINGS.matches(message).iter().next()?;
    (!quiet::is_chatter(message)).then(|| SHAPES[first].0)
}

/// The shape of a kernel that starts in the middle of a log.
pub(super) static REBOOT: Shape =
    Shape::new(Reboot, "Linux version |Booting the kernel", "unexpected kernel reboot", NOWHERE);
