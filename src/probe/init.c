// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The init process of the guest: observes a tracee of each word size, prints the observations and
 * restarts the machine, which ends QEMU. If it is not process 1, it exits instead of restarting.
 */
#include "records.h"
#include "tasks.h"
#include "thread.h"

struct utsname { char field[6][65]; };

static void mount_all(void)
{
	sys2(mkdir, "/proc", 0755);
	sys2(mkdir, "/sys", 0755);
	long ret = sys5(mount, "proc", "/proc", "proc", 0, 0);
	if (ret)
		note("procfs cannot be mounted", ret);
	ret = sys5(mount, "sysfs", "/sys", "sysfs", 0, 0);
	if (ret)
		note("sysfs cannot be mounted", ret);
	freezers_mount();
	sys3(mknod, "/fifo", S_IFIFO | 0600, 0);
}

static void report_guest(void)
{
	struct utsname name;

	sys1(uname, &name);
	record_begin("guest");
	field_text("release", name.field[2]);
	field_text("version", name.field[3]);
	record_end();
}

static void observe(int bits)
{
	static struct tracee tracee;

	memset(&tracee, 0, sizeof(tracee));
	step("start a tracee", bits);
	if (!tracee_spawn(&tracee, bits))
		return;
	step("stop each thread with ptrace and read its registers", bits);
	look(&tracee);
	step("stop and continue the process", bits);
	observe_job_control(&tracee);
	step("freeze and thaw the process", bits);
	observe_freezers(&tracee);
	step("end the process with a signal", bits);
	observe_death(&tracee);
	step("dump the core of another process", bits);
	observe_core(&tracee);
	report_tracee(&tracee);
	tracee_end(&tracee);
}

/* Restarts instead of powering off, which would need ACPI. QEMU runs with -no-reboot and exits. */
static _Noreturn void end_guest(void)
{
	for (;;)
		sys4(reboot, 0xfee1dead, 672274793, 0x01234567, 0);
}

__attribute__((used)) _Noreturn static void probe_main(void)
{
	bool alone = sys0(getpid) == 1;

	records_open(alone);
	report_guest();
	mount_all();
	observe(64);
	observe(32);
	debuggers_run(64);
	debuggers_run(32);
	record_begin("end");
	record_end();
	if (!alone)
		for (;;)
			sys1(exit, 0);
	/* The serial port must drain before the machine restarts. */
	sleep_ms(200);
	end_guest();
}

__asm__(".text\n.globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall probe_main\n");
