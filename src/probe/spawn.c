// SPDX-License-Identifier: GPL-2.0-or-later
/* Starts a tracee, follows it until its io threads exist, and finds them. */
#include "records.h"
#include "tasks.h"
#include "thread.h"
#include "tracee.h"

static struct shared *share(int bits)
{
	char path[32];
	long fd, address;

	text_format(path, sizeof(path), "/shared%", bits, 0);
	fd = sys3(open, path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || sys2(ftruncate, fd, 4096) < 0)
		return 0;
	address = sys6(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sys1(close, fd);
	return address < 0 && address > -4096 ? 0 : (struct shared *)address;
}

/* A child that could not execute the tracee exits with the errno and this bit. */
#define NOT_EXECUTED 0x80

static _Noreturn void become_tracee(int bits)
{
	char path[32];
	const char *argv[] = { path, 0 }, *envp[] = { 0 };
	long ret;

	text_format(path, sizeof(path), "/tracee%", bits, 0);
	/* A new session has no controlling terminal that could interfere with stop signals. */
	sys0(setsid);
	sys1(ptrace, PTRACE_TRACEME);
	ret = sys3(execve, path, argv, envp);
	for (;;)
		sys1(exit, NOT_EXECUTED | -ret);
}

/* Soon after boot thread ids are dense, so the ids of io threads closely follow their leader's. */
#define TID_WINDOW 400

static bool is_born(const struct tracee *t, int tid)
{
	for (int i = 0; i < t->births; i++)
		if (t->birth[i].tid == tid)
			return true;
	return false;
}

/* Threads that appeared since the latest system call entry were created by that call. */
static void register_births(struct tracee *t)
{
	for (int tid = t->pid + 1; tid < t->pid + TID_WINDOW && t->births < MAX_THREADS; tid++)
		if (thread_exists(t->pid, tid) && !is_born(t, tid))
			t->birth[t->births++] = (struct birth){ tid, t->entry };
}

/*
 * ax holds -ENOSYS at the entry of a system call and the result at its exit. This is the only
 * difference that every release shows in the same way for both word sizes.
 */
static void snapshot(struct tracee *t)
{
	struct registers regs;

	if (sys4(ptrace, PTRACE_GETREGS, t->pid, 0, &regs))
		return;
	if ((int32_t)regs.value[AX] != -ENOSYS)
		return;
	if (t->entered)
		register_births(t);
	t->entry = regs;
	t->entered = true;
}

/* Steps the tracee from system call to system call until it reports that its setup is complete. */
static bool follow(struct tracee *t)
{
	int status;

	for (;;) {
		long ret = wait_for(t->pid, &status);

		if (ret < 0) {
			report_no_tracee(t->bits, "it stopped answering while it was set up", ret);
			return false;
		}
		if ((status & 0x7f) == 0) {
			int code = status >> 8 & 0xff;

			if (code & NOT_EXECUTED)
				report_no_tracee(t->bits, "its program cannot be executed", -(code & 0x7f));
			else
				report_no_tracee(t->bits,
						 code == STEP_SQPOLL ? "io_uring_setup with SQPOLL failed" :
						 code == STEP_RING ? "io_uring_setup failed" :
						 code == STEP_SUBMIT ? "io_uring_enter failed" :
						 code == STEP_TLS ? "it cannot set its segment bases" :
								    "it cannot map memory",
						 t->shared->stage);
			return false;
		}
		if ((status & 0xff) != 0x7f) {
			report_no_tracee(t->bits, "it was killed while it was set up", -EIO);
			return false;
		}
		snapshot(t);
		if (t->shared->stage == 1)
			return true;
		sys4(ptrace, PTRACE_SYSCALL, t->pid, 0, 0);
	}
}

static bool has_thread(const struct tracee *t, const char *name)
{
	for (int i = 0; i < t->threads; i++)
		if (text_starts(t->thread[i].name, name))
			return true;
	return false;
}

/*
 * Probes thread ids with tgkill instead of reading /proc/PID/task, which finds threads that are
 * not listed there as well.
 */
void tracee_find_threads(struct tracee *t)
{
	t->threads = 0;
	for (int tid = t->pid; tid < t->pid + TID_WINDOW && t->threads < MAX_THREADS; tid++) {
		struct thread *thread = &t->thread[t->threads];

		if (!thread_exists(t->pid, tid))
			continue;
		t->threads++;
		memset(thread, 0, sizeof(*thread));
		thread->tid = tid;
		thread->leader = tid == t->pid;
		thread->stops_on_interrupt = thread->stops_on_attach = UNSEEN;
		thread->stops_on_sigstop = thread->resumes_on_sigcont = UNSEEN;
		thread->freezes_v1 = thread->freezes_v2 = UNSEEN;
		thread->dies_with_group = thread->regset_agrees = UNSEEN;
		thread_name(t->pid, tid, thread->name, sizeof(thread->name));
		thread->listed = thread_listed(t->pid, tid);
		thread->state = thread_state(t->pid, tid);
	}
}

/* Waits for the names of the io threads: a thread gets its name only once it runs. */
static void await_io_threads(struct tracee *t)
{
	long deadline = now_ms() + PATIENCE_MS;

	do {
		sleep_ms(20);
		tracee_find_threads(t);
	} while (!(has_thread(t, "iou-sqp") && has_thread(t, "iou-wrk")) && now_ms() < deadline);
	/* Enough time for the poller to fall asleep and the worker to reach its operation. */
	sleep_ms(100);
	tracee_find_threads(t);
}

bool tracee_spawn(struct tracee *t, int bits)
{
	t->bits = bits;
	t->shared = share(bits);
	if (!t->shared) {
		report_no_tracee(bits, "no memory can be shared with it", -ENOMEM);
		return false;
	}
	t->pid = sys0(fork);
	if (t->pid == 0)
		become_tracee(bits);
	if (t->pid < 0) {
		report_no_tracee(bits, "fork failed", t->pid);
		return false;
	}
	if (!follow(t)) {
		tracee_end(t);
		return false;
	}
	sys4(ptrace, PTRACE_DETACH, t->pid, 0, 0);
	await_io_threads(t);
	return true;
}

void tracee_end(struct tracee *t)
{
	int status;

	sys2(kill, t->pid, SIGKILL);
	while (wait_for(t->pid, &status) > 0 && (status & 0xff) == 0x7f)
		;
}
