//! The wordings are those of the kernel's sources; the functions in them are invented.

use super::*;

fn read(log: &str) -> Console {
    Console::read(log.as_bytes()).unwrap()
}

fn names(log: &str) -> Vec<String> {
    read(log).complaints.into_iter().map(|complaint| complaint.name).collect()
}

/// A report: its first lines, then a stack trace from `functions`.
fn report(head: &str, functions: &[&str]) -> String {
    let frames: String = functions.iter().map(|function| format!(" {function}+0x1f/0x30\n")).collect();
    format!("{head}\nCall Trace:\n <TASK>\n{frames} </TASK>\n")
}

/// Each line with a time stamp, and with the task that prints it.
fn stamped(log: &str) -> [String; 3] {
    let with = |prefix: &str| log.lines().map(|line| format!("{prefix}{line}\n")).collect();
    [with("[   12.345678] "), with("[   12.345678][  T123] "), with("<4>[   12.345678] ")]
}

/// Every prefix gives the same names.
fn assert_names(log: &str, expected: &[&str]) {
    assert_eq!(names(log), expected, "{log}");
    for log in stamped(log) {
        assert_eq!(names(&log), expected, "{log}");
    }
}

fn assert_name(log: &str, expected: &str) {
    assert_names(log, &[expected]);
}

#[test]
fn warnings_are_named_after_the_function_that_warns() {
    // kernel/panic.c, until 5.x: the trace begins with the machinery.
    let old = report(
        "WARNING: at kernel/fork.c:12 dup_it+0x1/0x2()",
        &["dump_stack", "warn_slowpath_common", "dup_it", "do_fork"],
    );
    assert_name(&old, "WARNING in dup_it");
    // From 4.11: a trap, with registers.
    let trap = "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 1 at kernel/smp.c:912 call_all+0x1a0/0x2a0\n\
                Modules linked in:\nRIP: 0010:call_all.constprop.0+0x1a0/0x2a0\n";
    assert_name(&report(trap, &["on_all", "start_it"]), "WARNING in call_all");
    // From 6.19: the place comes first.
    let new =
        "WARNING: kernel/smp.c:912 at call_all+0x1a0/0x2a0, CPU#1: init/1\nRIP: 0010:call_all+0x1a0/0x2a0\n";
    assert_name(&report(new, &["on_all"]), "WARNING in call_all");
    // Arm64 and PowerPC.
    let arm = "WARNING: CPU: 1 PID: 22 at mm/x.c:1 map_it+0x1/0x2\npc : map_it+0x1/0x2\nlr : other+0x1/0x2\n";
    assert_name(&report(arm, &["map_it", "mapped"]), "WARNING in map_it");
    let ppc = "WARNING: CPU: 1 PID: 22 at mm/x.c:1 map_it+0x1/0x2\nNIP [c00000000022d79c] map_it+0x1/0x2\n";
    assert_name(&report(ppc, &["mapped"]), "WARNING in map_it");
}

#[test]
fn the_place_of_a_warning_decides_its_kind() {
    for (place, frames, expected) in [
        (
            "lib/debugobjects.c:612 debug_print_object+0x1/0x2",
            &["debug_print_object", "hrtimer_init", "my_release"][..],
            "WARNING: ODEBUG bug in my_release",
        ),
        (
            "lib/refcount.c:28 refcount_warn_saturate+0x1/0x2",
            &["refcount_warn_saturate", "put_it"],
            "WARNING: refcount bug in put_it",
        ),
        (
            "mm/slab_common.c:9 kmalloc_slab+0x1/0x2",
            &["kmalloc_slab", "__kmalloc", "set_size"],
            "WARNING: kmalloc bug in set_size",
        ),
        (
            "lib/kobject.c:5 kobject_add_internal+0x1/0x2",
            &["kobject_add_internal", "add_port"],
            "WARNING: kobject bug in add_port",
        ),
        (
            "kernel/locking/lockdep.c:9 lock_acquire+0x1/0x2",
            &["lock_acquire", "lock_sock_nested", "shut"],
            "WARNING: locking bug in shut",
        ),
        (
            "drivers/usb/core/urb.c:4 usb_submit_urb+0x1/0x2",
            &["usb_submit_urb", "send_it"],
            "WARNING in send_it/usb_submit_urb",
        ),
    ] {
        assert_name(&report(&format!("WARNING: CPU: 0 PID: 1 at {place}"), frames), expected);
    }
}

#[test]
fn sanitizers_are_named_with_what_they_found() {
    let kasan = "BUG: KASAN: slab-use-after-free in memcpy+0x1/0x2\nRead of size 8 at addr ffff888012345678 by task a/1\n";
    assert_name(
        &report(kasan, &["dump_stack_lvl", "print_report", "kasan_report", "memcpy", "my_read"]),
        "KASAN: slab-use-after-free Read in my_read",
    );
    let kasan = "BUG: KASAN: double-free in my_free+0x1/0x2\n";
    assert_name(
        &report(kasan, &["dump_stack", "kasan_report_invalid_free", "my_free"]),
        "KASAN: invalid-free in my_free",
    );
    let kmsan = "BUG: KMSAN: uninit-value in my_sum+0x1/0x2\n my_sum+0x1/0x2\n my_caller+0x1/0x2\n\nUninit was created at:\n slab_alloc+0x1/0x2\n";
    assert_name(kmsan, "KMSAN: uninit-value in my_sum");
    assert_name(
        "BUG: KCSAN: data-race in one / two\n\nwrite to 0xffff888012345678 of 4 bytes by task 1 on cpu 0:\n",
        "KCSAN: data-race in one / two",
    );
    let kfence = "BUG: KFENCE: use-after-free read in my_get+0x1/0x2\n\nUse-after-free read at 0x00000000 (in kfence-#1):\n my_get+0x1/0x2\n";
    assert_name(kfence, "KFENCE: use-after-free read in my_get");
    assert_name(
        &report("UBSAN: Undefined behaviour in lib/x.c:1:2", &["ubsan_epilogue", "shift_it"]),
        "UBSAN: undefined-behaviour in shift_it",
    );
    assert_name(
        &report(
            "UBSAN: array-index-out-of-bounds in lib/x.c:1:2",
            &["__ubsan_handle_out_of_bounds", "index_it"],
        ),
        "UBSAN: array-index-out-of-bounds in index_it",
    );
}

#[test]
fn an_oops_is_counted_once_with_its_cause() {
    let tail = "CPU: 1 PID: 27 Comm: iou-sqp-25 Not tainted 5.12.9 #1\nRIP: 0010:my_deref+0x10/0x20\n";
    for (cause, name) in [
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000010\n#PF: supervisor read access\nOops: 0000 [#1] SMP PTI",
            "BUG: unable to handle kernel NULL pointer dereference",
        ),
        (
            "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010\nOops: 0000 [#1] SMP",
            "BUG: unable to handle kernel NULL pointer dereference",
        ),
        (
            "BUG: unable to handle page fault for address: ffffffffc0000000\nOops: Oops: 0002 [#1] PREEMPT SMP PTI",
            "BUG: unable to handle kernel paging request",
        ),
        (
            "BUG: unable to handle kernel paging request at ffffffffc0000000\nOops: 0002 [#1] SMP",
            "BUG: unable to handle kernel paging request",
        ),
        (
            "general protection fault, probably for non-canonical address 0x5eed0000: 0000 [#1] SMP",
            "general protection fault",
        ),
        ("Oops: general protection fault, maybe for address 0x0: 0000 [#1] SMP", "general protection fault"),
        ("kernel BUG at kernel/fork.c:1234!\ninvalid opcode: 0000 [#1] SMP PTI", "kernel BUG"),
        ("Oops: divide error: 0000 [#1] PREEMPT SMP", "divide error"),
        ("kernel BUG at lib/list_debug.c:23!\ninvalid opcode: 0000 [#1] SMP", "BUG: corrupted list"),
        ("PANIC: double fault, error_code: 0x0\ndouble fault: 0000 [#1] SMP", "PANIC: double fault"),
    ] {
        let log = report(&format!("{cause}\n{tail}"), &["my_deref", "my_caller"])
            + "---[ end trace 0000000000000000 ]---\nKernel panic - not syncing: Fatal exception\n";
        assert_name(&log, &format!("{name} in my_deref"));
        let messages = read(&log).messages;
        assert_eq!((messages.warnings, messages.oopses, messages.panics), (0, 1, 1), "{log}");
    }
}

/// Of an oops or a panic, only the report that it ends is the cause: neither a warning before it, nor a driver's words, nor
/// a report that was printed long ago.
#[test]
fn an_oops_is_not_part_of_what_did_not_cause_it() {
    let trace = |function: &str| report("", &[function]);
    let oops = report("invalid opcode: 0000 [#1] SMP\nRIP: 0010:oops_here+0x1/0x2", &["oops_here"]);
    let chatter = |lines: usize| "usb 1-1: new device\n".repeat(lines);
    let ubsan = "UBSAN: shift-out-of-bounds in lib/x.c:1:2\n".to_owned() + &trace("shift_it");
    let bug = "BUG: scheduling while atomic: a/1/0x2\n".to_owned() + &trace("sleep_it");
    let driver = "foo: WARNING: firmware is old\n".to_owned();
    for (before, name) in [
        (ubsan.clone(), Some("UBSAN: shift-out-of-bounds in shift_it")),
        (ubsan + &chatter(300), Some("UBSAN: shift-out-of-bounds in shift_it")),
        (bug + &chatter(120), Some("BUG: scheduling while atomic in sleep_it")),
        (driver.clone() + &chatter(20), None),
        (driver.clone() + &chatter(100), None),
    ] {
        let log = format!("{before}{oops}");
        assert_eq!(
            names(&log),
            name.into_iter().chain(["invalid opcode in oops_here"]).collect::<Vec<_>>(),
            "{log}"
        );
        assert!(read(&log).messages.oopses > 0, "{log}");
    }
    let panic = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n";
    assert_eq!(names(&(driver + &chatter(100) + panic)), ["kernel panic: Attempted to kill init!"]);
}

#[test]
fn the_lock_validators_reports_have_names() {
    let at = "a/1 is trying to acquire lock:\nffff8880 (&x){+.+.}-{3:3}, at: take_x+0x1/0x2\n\nbut task is already holding lock:\nffff8881 (&y){+.+.}-{3:3}, at: take_y+0x1/0x2\n";
    for (heading, name) in [
        ("WARNING: possible circular locking dependency detected", "possible deadlock in take_x"),
        ("[ INFO: possible circular locking dependency detected ]", "possible deadlock in take_x"),
        ("WARNING: possible recursive locking detected", "possible deadlock in take_x"),
    ] {
        assert_name(
            &report(&format!("{heading}\n{at}"), &["dump_stack", "check_noncircular", "take_x"]),
            name,
        );
    }
    assert_name(
        &report(
            "WARNING: possible irq lock inversion dependency detected\na/1 just changed the state of lock:\nffff (&x){..}, at: turn_x+0x1/0x2",
            &[],
        ),
        "possible deadlock in turn_x",
    );
    assert_name(
        &report(
            "WARNING: inconsistent lock state",
            &["dump_stack", "print_usage_bug.part.0", "mark_lock", "lock_acquire", "in_irq"],
        ),
        "inconsistent lock state in in_irq",
    );
    assert_name(
        &report(
            "WARNING: suspicious RCU usage\nlib/x.c:1 suspicious rcu_dereference_check() usage!",
            &["dump_stack", "lockdep_rcu_suspicious", "deref_it"],
        ),
        "WARNING: suspicious RCU usage in deref_it",
    );
    assert_name(
        &report(
            "WARNING: bad unlock balance detected!\na/1 is trying to release lock (x) at:\n[<ffffffff81012345>] drop_it+0x1/0x2",
            &["dump_stack"],
        ),
        "WARNING: bad unlock balance in drop_it",
    );
    assert_name(
        "WARNING: held lock freed!\na/1 is freeing memory ffff-ffff, with a lock still held there!\nffff (x){+}, at: hold_it+0x1/0x2\n",
        "WARNING: held lock freed in hold_it",
    );
    assert_name(
        "WARNING: lock held when returning to user space!\na/1 is leaving the kernel with locks still held!\n1 lock held by a/1:\n #0: ffff (x){.}, at: keep_it+0x1/0x2\n",
        "WARNING: lock held when returning to user space in keep_it",
    );
    assert_name(
        &report(
            "INFO: trying to register non-static key.\nthe code is fine but needs lockdep annotation.",
            &["dump_stack", "register_lock_class", "lock_acquire", "use_it"],
        ),
        "INFO: trying to register non-static key in use_it",
    );
    assert_name(
        &report(
            "BUG: spinlock bad magic on CPU#0, a/1",
            &["dump_stack", "spin_dump", "do_raw_spin_lock", "lock_mine"],
        ),
        "BUG: spinlock bad magic in lock_mine",
    );
}

#[test]
fn stalls_are_named_after_the_work_that_does_not_end() {
    let registers = "CPU: 0 PID: 9 Comm: a\nRIP: 0010:spin_a_bit+0x1/0x2\n";
    let frames = ["spin_a_bit", "loop_body", "my_ioctl", "vfs_ioctl", "do_syscall_64"];
    for stall in [
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "INFO: rcu_sched self-detected stall on CPU { 0}  (t=2100 jiffies g=1 c=0 q=2)",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "INFO: rcu_sched detected stalls on CPUs/tasks:",
        "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-.... }",
        "INFO: rcu_tasks detected stalls on tasks:",
    ] {
        assert_name(
            &report(&format!("{stall}\n{registers}"), &frames),
            "INFO: rcu detected stall in my_ioctl",
        );
    }
    let lockup = "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:9]";
    assert_name(&report(&format!("{lockup}\n{registers}"), &frames), "BUG: soft lockup in my_ioctl");
    assert_name(
        &report("NMI watchdog: Watchdog detected hard LOCKUP on cpu 0\n", &frames),
        "BUG: hard lockup in my_ioctl",
    );
    let hung =
        ["__schedule", "schedule", "schedule_timeout", "wait_for_completion", "wait_for_mine", "my_close"];
    assert_name(
        &report("INFO: task a:9 blocked for more than 120 seconds.\n      Not tainted 6.1 #1", &hung),
        "INFO: task hung in my_close",
    );
    let hung = ["__schedule", "mutex_lock", "rtnl_lock", "my_open"];
    assert_name(
        &report("INFO: task a:9 blocked for more than 120 seconds.", &hung),
        "INFO: task hung in rtnl_lock",
    );
}

#[test]
fn other_checks_have_names() {
    let sleeping = ["dump_stack", "__might_sleep", "mutex_lock", "sleep_here"];
    assert_name(
        &report("BUG: sleeping function called from invalid context at kernel/x.c:1", &sleeping),
        "BUG: sleeping function called from invalid context in sleep_here",
    );
    assert_name(
        &report(
            "BUG: scheduling while atomic: init/1/0x00000002",
            &["dump_stack", "__schedule_bug", "schedule", "wait_here"],
        ),
        "BUG: scheduling while atomic in wait_here",
    );
    assert_name(
        &report(
            "BUG: using smp_processor_id() in preemptible [00000000] code: a/1",
            &["dump_stack", "check_preemption_disabled", "which_cpu"],
        ),
        "BUG: using smp_processor_id() in preemptible code in which_cpu",
    );
    assert_name(
        "BUG: memory leak\nunreferenced object 0xffff (size 32):\n  comm \"a\", pid 1\n  backtrace (crc 12ab):\n    kmalloc_trace+0x1/0x2\n    make_it+0x1/0x2\n",
        "memory leak in make_it",
    );
    assert_name(
        "BUG: Bad page state in process a  pfn:7deea\npage last allocated via order 0\n post_alloc_hook+0x1/0x2\n get_block+0x1/0x2\n",
        "BUG: Bad page state in get_block",
    );
    assert_name(
        "BUG kmalloc-64 (Not tainted): Poison overwritten\nINFO: Freed in put_it+0x1/0x2 age=1 cpu=0 pid=1\n",
        "BUG: Poison overwritten",
    );
    assert_name(
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: smash_it+0x1/0x2\n",
        "kernel panic: stack is corrupted in smash_it",
    );
    assert_name(
        "VFS: Busy inodes after unmount of sda1. Self-destruct in 5 seconds.  Have a nice day...\n",
        "VFS: Busy inodes after unmount (use-after-free)",
    );
    assert_name(
        "unregister_netdevice: waiting for eth0 to become free. Usage count = 2\n",
        "unregister_netdevice: waiting for DEV to become free",
    );
    assert_name(
        "Kernel panic - not syncing: VFS: Unable to mount root fs\n",
        "kernel panic: VFS: Unable to mount root fs",
    );
}

#[test]
fn several_reports_of_a_log_are_several_complaints_in_its_order() {
    let warning = report("WARNING: CPU: 0 PID: 1 at a.c:1 one+0x1/0x2\nRIP: 0010:one+0x1/0x2", &["two"])
        + "---[ end trace 0 ]---\n";
    let ubsan = report("UBSAN: shift-out-of-bounds in b.c:1:1", &["ubsan_epilogue", "three"]);
    let hung = report("INFO: task a:9 blocked for more than 120 seconds.", &["__schedule", "four"]);
    let log = format!("{warning}{warning}{ubsan}{hung}");
    assert_names(
        &log,
        &[
            "WARNING in one",
            "WARNING in one",
            "UBSAN: shift-out-of-bounds in three",
            "INFO: task hung in four",
        ],
    );
    let lines: Vec<_> = read(&log).complaints.into_iter().map(|complaint| complaint.line).collect();
    assert_eq!(lines, [1, 8, 15, 21]);
    assert_eq!(read(&log).messages.warnings, 4);
}

#[test]
fn reports_of_two_processors_that_print_at_once_are_told_apart() {
    let log = "\
[    1.0][    T1] WARNING: CPU: 0 PID: 1 at a.c:1 one+0x1/0x2
[    1.0][    T2] BUG: KASAN: use-after-free in two+0x1/0x2
[    1.0][    T1] RIP: 0010:one+0x1/0x2
[    1.0][    T2] Write of size 8 at addr ffff888012345678 by task b/2
[    1.0][    T2] Call Trace:
[    1.0][    T1] Call Trace:
[    1.0][    T2]  kasan_report+0x1/0x2
[    1.0][    T1]  three+0x1/0x2
[    1.0][    T2]  two+0x1/0x2
";
    assert_eq!(names(log), ["WARNING in one", "KASAN: use-after-free Write in two"]);
}

#[test]
fn a_message_that_interrupts_a_line_is_found() {
    assert_eq!(
        names("login: [   36.852785] BUG: scheduling while atomic: a/1/0x2\n"),
        ["BUG: scheduling while atomic"]
    );
    let log = "[   92.396607] general protection fault: 0000 [#1] [  387.811073] audit: type=1326 uid=0\n";
    assert_eq!(names(log), ["general protection fault"]);
    assert_eq!(
        names("** 12 printk messages dropped ** [   60.1] INFO: task a:1 blocked for more than 9 seconds.\n"),
        ["INFO: task hung"]
    );
    assert_eq!(names("[    1.0] Kernel pan\n"), [""; 0]);
}

#[test]
fn ordinary_chatter_stays_quiet() {
    for line in [
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!",
        "Speculative Return Stack Overflow: WARNING: kernel not compiled with CPU_SRSO.",
        "WARNING: the mand mount option is being deprecated and",
        "WARNING: Some driver's remark about its hardware",
        "Warning: unable to open an initial console.",
        "Command line: console=ttyS0 panic=-1 oops=panic",
        "Kernel command line: console=ttyS0 panic=-1 oops=panic",
        "x86/fpu: xstate_offset[2]:  576, xstate_sizes[2]:  256",
        "Loading [#x]",
        "INFO: lockdep is turned off.",
        "INFO: Stall ended before state dump start",
        "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.356 msecs",
        "ODEBUG: Out of memory. ODEBUG disabled",
        "traps: a[3615] general protection fault ip:7feb96eb56a1 sp:20000fd0 error:0 in a[7feb96e75000+84000]",
        "XFS (loop4): WARNING: Reset corrupted AGFL on AG 0. 1 blocks leaked.",
        "EXT4-fs (loop1): INFO: recovery required on readonly filesystem",
        "a[1]: segfault at 0 ip 0000 sp 0000 error 4 in a[400000+1000]",
        "rcu: Hierarchical RCU implementation.",
        "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
        "Freeing unused kernel image (initmem) memory: 1234K",
    ] {
        for log in stamped(line) {
            assert_eq!(read(&log).complaints, [], "{log}");
        }
    }
}

#[test]
fn a_kernel_that_starts_again_is_a_complaint() {
    let boot = "[    0.000000] Linux version 6.1.187\n[    1.200000] Run /init as init process\n";
    assert_eq!(names(boot), [""; 0]);
    assert_eq!(names(&format!("{boot}{boot}")), ["unexpected kernel reboot"]);
}

#[test]
fn the_first_panic_and_the_last_line_are_kept() {
    let log = "[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n[    2.2] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---\n";
    let console = read(log);
    assert_eq!(console.messages.panics, 1);
    assert_eq!(
        console.first_panic.unwrap(),
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"
    );
    assert!(console.last.unwrap().contains("end Kernel panic"));
    assert!(read("\r\n\n").is_silent());
}

#[test]
fn a_flood_of_complaints_and_an_endless_line_are_read_in_little_memory() {
    let flood = "BUG: scheduling while atomic: a/1/0x2\n".repeat(5000);
    let console = read(&flood);
    assert_eq!((console.complaints.len(), console.further, console.messages.oopses), (1000, 4000, 5000));
    let endless = format!("BUG: KCSAN: {}", "x".repeat(1 << 20));
    assert!(read(&endless).complaints[0].text.len() <= 2 << 10);
    let bytes = [b"BUG: bad \xfe".to_vec(), vec![0xff; 4 << 20]].concat();
    let console = Console::read(bytes.as_slice()).unwrap();
    assert!(console.complaints[0].text.starts_with("BUG: bad \\xfe\\xff"), "{:?}", console.complaints[0]);
    assert!(console.last.unwrap().starts_with("\\xff\\xff"));
}
