// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs each debugger on a separate tracee. The initramfs has one root directory per debugger,
 * /debuggerN, which also contains these files:
 *
 *   argv       the arguments, one per line; each % stands for the process id of the tracee
 *   commands   optional: a command file that the arguments name, with % as above
 *   interrupt  optional, for debuggers that do not exit on their own: milliseconds until SIGINT
 */
#include "records.h"
#include "tasks.h"
#include "thread.h"
#include "tracee.h"

/* A debugger that runs longer counts as stuck. A healthy debugger needs a few seconds under TCG. */
#define DEADLINE_MS 45000
/* A debugger that prints more is repeating itself. */
#define OUTPUT_LIMIT (96 * 1024)
/* Enough output to show that a debugger works, if the probe interrupts it anyway. */
#define ENOUGH_OUTPUT (8 * 1024)
#define MAX_ARGUMENTS 48

struct pollfd { int fd; int16_t events, revents; };

struct run {
	int pid, out;
	long started, deadline, interrupt_at;
	size_t printed;
	const char *ending;
	int status;
};

static long debugger_file(int n, const char *format, char *to, size_t size)
{
	char path[64];

	text_format(path, sizeof(path), format, n, 0);
	return file_read(path, to, size);
}

static long text_number(const char *text)
{
	long value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (*text++ - '0');
	return value;
}

/* Writes the command file of this run from its template. */
static void write_commands(int n, int pid)
{
	static char template[4096], text[4096];
	char path[64];
	long fd;
	size_t length = 0;

	if (debugger_file(n, "/debugger%/commands", template, sizeof(template)) < 0)
		return;
	text_format(text, sizeof(text), template, pid, pid);
	text_format(path, sizeof(path), "/debugger%/commands.now", n, 0);
	fd = sys3(open, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	while (text[length])
		length++;
	sys3(write, fd, text, length);
	sys1(close, fd);
}

static _Noreturn void become_debugger(int n, int pid, int out)
{
	static char template[4096], text[8192], root[32];
	const char *argv[MAX_ARGUMENTS + 1], *envp[] = { "PATH=/usr/bin", "HOME=/", "TERM=dumb", "LC_ALL=C", 0 };
	int count = 0;
	long null;

	debugger_file(n, "/debugger%/argv", template, sizeof(template));
	text_format(text, sizeof(text), template, pid, pid);
	for (char *c = text; *c && count < MAX_ARGUMENTS; c++) {
		argv[count++] = c;
		while (*c && *c != '\n')
			c++;
		if (!*c)
			break;
		*c = 0;
	}
	argv[count] = 0;
	text_format(root, sizeof(root), "/debugger%", n, 0);
	sys0(setsid);
	sys1(chroot, root);
	sys1(chdir, "/");
	sys3(mknod, "/dev/null", S_IFCHR | 0666, 1 << 8 | 3);
	/* Python aborts if getrandom(2) has no random numbers, as is the case soon after boot. */
	sys3(mknod, "/dev/urandom", S_IFCHR | 0666, 1 << 8 | 9);
	null = sys3(open, "/dev/null", O_RDWR, 0);
	sys2(dup2, null, 0);
	sys2(dup2, out, 1);
	sys2(dup2, out, 2);
	sys3(execve, argv[0], argv, envp);
	for (;;)
		sys1(exit, 127);
}

static bool start(struct run *run, int n, int pid)
{
	int ends[2];
	char text[16];

	if (sys1(pipe, ends))
		return false;
	write_commands(n, pid);
	run->started = now_ms();
	run->deadline = run->started + DEADLINE_MS;
	if (debugger_file(n, "/debugger%/interrupt", text, sizeof(text)) > 0)
		run->interrupt_at = run->started + text_number(text);
	run->pid = sys0(fork);
	if (run->pid == 0) {
		sys1(close, ends[0]);
		become_debugger(n, pid, ends[1]);
	}
	sys1(close, ends[1]);
	run->out = ends[0];
	return run->pid > 0;
}

/* Splits the text into records short enough for a line even if every character is escaped. */
static void report_output(char *text, size_t size)
{
	enum { PIECE = 1000 };

	for (size_t at = 0; at < size; at += PIECE) {
		size_t length = size - at < PIECE ? size - at : PIECE;
		char piece[PIECE + 1];

		for (size_t i = 0; i < length; i++)
			piece[i] = text[at + i] ? text[at + i] : '?';
		piece[length] = 0;
		record_begin("output");
		field_text("text", piece);
		record_end();
	}
}

/* Reads the output of the debugger until it exits or has to be killed. */
static void follow(struct run *run)
{
	static char buffer[4096];

	for (;;) {
		struct pollfd poll = { run->out, 1 /* POLLIN */, 0 };
		long now = now_ms(), n;

		if (run->interrupt_at && (now >= run->interrupt_at || run->printed >= ENOUGH_OUTPUT)) {
			sys2(kill, run->pid, SIGINT);
			run->interrupt_at = 0;
		}
		if (now >= run->deadline || run->printed >= OUTPUT_LIMIT) {
			run->ending = run->printed >= OUTPUT_LIMIT ? "output-limit" : "deadline";
			break;
		}
		if (sys3(poll, &poll, 1, 50) <= 0)
			continue;
		n = sys3(read, run->out, buffer, sizeof(buffer));
		if (n <= 0)
			break;
		run->printed += n;
		report_output(buffer, n);
	}
	sys1(close, run->out);
	if (run->ending)
		sys2(kill, run->pid, SIGKILL);
	if (wait_for(run->pid, &run->status) != run->pid) {
		/* The debugger closed its output but did not exit. */
		run->ending = "deadline";
		sys2(kill, run->pid, SIGKILL);
		wait_for(run->pid, &run->status);
	}
	if (!run->ending)
		run->ending = run->status & 0x7f ? "signal" : "exit";
}

static bool is_stopped(const struct tracee *t)
{
	uint32_t before = t->shared->beats;

	for (int i = 0; i < t->threads; i++) {
		char state = thread_state(t->pid, t->thread[i].tid);

		if (state == 'T' || state == 't')
			return true;
	}
	sleep_ms(200);
	return t->shared->beats == before;
}

static const char *state_of(const struct tracee *t)
{
	char leader;

	/* A detached thread needs a moment to run again. */
	sleep_ms(200);
	leader = thread_state(t->pid, t->pid);
	if (!leader || leader == 'Z' || leader == 'X')
		return "gone";
	return is_stopped(t) ? "stopped" : "running";
}

static int count_listed(const struct tracee *t)
{
	int listed = 0;

	for (int i = 0; i < t->threads; i++)
		listed += t->thread[i].listed;
	return listed;
}

static void debug(int n, int bits)
{
	static struct tracee tracee;
	struct run run = { 0 };

	memset(&tracee, 0, sizeof(tracee));
	step("attach a debugger", bits);
	if (!tracee_spawn(&tracee, bits))
		return;
	record_begin("debugger");
	field_number("number", n);
	field_number("tracee_bits", bits);
	field_number("pid", tracee.pid);
	field_number("threads", tracee.threads);
	field_number("listed", count_listed(&tracee));
	record_end();
	if (start(&run, n, tracee.pid))
		follow(&run);
	record_begin("debugger-end");
	field_text("ending", run.ending ? run.ending : "not-started");
	field_number("status", run.status & 0x7f ? run.status & 0x7f : run.status >> 8 & 0xff);
	field_number("milliseconds", now_ms() - run.started);
	field_text("tracee_after", state_of(&tracee));
	record_end();
	tracee_end(&tracee);
}

void debuggers_run(int bits)
{
	char path[64], text[8];

	for (int n = 0; debugger_file(n, "/debugger%/argv", text, sizeof(text)) > 0; n++) {
		text_format(path, sizeof(path), "/debugger%/proc", n, 0);
		/* The runs with 32-bit tracees reuse the mount of the runs with 64-bit tracees. */
		if (bits == 64)
			sys5(mount, "proc", path, "proc", 0, 0);
		debug(n, bits);
	}
}
