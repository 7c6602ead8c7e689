// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on the whole thread group: job control, the freezers, a fatal signal. */
#include "records.h"
#include "tasks.h"
#include "thread.h"
#include "tracee.h"

/* Waits until every thread (`in`), or none, is in `state`. A thread that has exited is in no state. */
static void await_state(const struct tracee *t, char state, bool in)
{
	long deadline = now_ms() + PATIENCE_MS;
	bool all;

	do {
		sleep_ms(5);
		all = true;
		for (int i = 0; i < t->threads; i++)
			all &= (thread_state(t->pid, t->thread[i].tid) == state) == in;
	} while (!all && now_ms() < deadline);
}

/* Whether the leader runs: its heartbeat advances. */
static bool beats(const struct tracee *t)
{
	uint32_t before = t->shared->beats;
	long deadline = now_ms() + PATIENCE_MS;

	while (t->shared->beats == before && now_ms() < deadline)
		sleep_ms(5);
	return t->shared->beats != before;
}

void observe_job_control(struct tracee *t)
{
	sys2(kill, t->pid, SIGSTOP);
	await_state(t, 'T', true);
	for (int i = 0; i < t->threads; i++)
		t->thread[i].stops_on_sigstop = thread_state(t->pid, t->thread[i].tid) == 'T';

	sys2(kill, t->pid, SIGCONT);
	await_state(t, 'T', false);
	for (int i = 0; i < t->threads; i++) {
		struct thread *th = &t->thread[i];
		char state = thread_state(t->pid, th->tid);

		/* A thread that never stopped, or that has exited, was not resumed. */
		th->resumes_on_sigcont = th->stops_on_sigstop && state && state != 'T' &&
					 (!th->leader || beats(t));
	}
}

static bool have_v1, have_v2;

void freezers_mount(void)
{
	long ret;

	sys2(mkdir, "/cgroup1", 0755);
	sys2(mkdir, "/cgroup2", 0755);
	ret = sys5(mount, "cgroup", "/cgroup1", "cgroup", 0, "freezer");
	have_v1 = !ret;
	if (ret)
		note("the freezer of cgroup v1 cannot be mounted", ret);
	ret = sys5(mount, "cgroup2", "/cgroup2", "cgroup2", 0, 0);
	have_v2 = !ret;
	if (ret)
		note("cgroup v2 cannot be mounted", ret);
}

/* One of the two freezers: the directory of its control group, and the paths of the files in it. */
struct freezer {
	const char *group, *join, *members;
	const char *control, *freeze, *thaw;
	const char *report, *frozen, *thawed;
};

static const struct freezer v1 = {
	.group = "/cgroup1/probe%", .join = "/cgroup1/probe%/cgroup.procs",
	.members = "/cgroup1/probe%/tasks",
	.control = "/cgroup1/probe%/freezer.state", .freeze = "FROZEN", .thaw = "THAWED",
	.report = "/cgroup1/probe%/freezer.state", .frozen = "FROZEN", .thawed = "THAWED",
};

static const struct freezer v2 = {
	.group = "/cgroup2/probe%", .join = "/cgroup2/probe%/cgroup.procs",
	.members = "/cgroup2/probe%/cgroup.threads",
	.control = "/cgroup2/probe%/cgroup.freeze", .freeze = "1", .thaw = "0",
	.report = "/cgroup2/probe%/cgroup.events", .frozen = "frozen 1", .thawed = "frozen 0",
};

static long group_write(const char *format, int bits, const char *text)
{
	char path[64];

	text_format(path, sizeof(path), format, bits, 0);
	return file_write(path, text);
}

static bool group_says(const char *format, int bits, const char *line)
{
	char path[64], text[512];

	text_format(path, sizeof(path), format, bits, 0);
	return file_read(path, text, sizeof(text)) > 0 && text_has_line(text, line);
}

static bool await_group(const struct freezer *f, int bits, const char *line)
{
	long deadline = now_ms() + PATIENCE_MS;

	while (!group_says(f->report, bits, line)) {
		if (now_ms() > deadline)
			return false;
		sleep_ms(5);
	}
	return true;
}

static bool is_member(const struct freezer *f, int bits, int tid)
{
	char number[16];

	text_format(number, sizeof(number), "%", tid, 0);
	return group_says(f->members, bits, number);
}

/*
 * Both freezers report a group as frozen only when each of its tasks is frozen. A thread counts as
 * frozen if it is a member of the group (an empty group is reported as frozen too) and the group
 * is frozen. It counts as thawed if the group is thawed and a signal can stop the thread, which
 * does not work on a frozen thread in v1. In addition, the heartbeat of the leader has to pause
 * and to continue.
 */
static void observe_freezer(struct tracee *t, const struct freezer *f, bool first)
{
	bool member[MAX_THREADS], frozen, still, thawed;
	char path[64], number[16];
	uint32_t before;

	text_format(path, sizeof(path), f->group, t->bits, 0);
	text_format(number, sizeof(number), "%", t->pid, 0);
	sys2(mkdir, path, 0755);
	long ret = group_write(f->join, t->bits, number);
	if (ret < 0)
		note("the tracee cannot be put into a control group", ret);

	group_write(f->control, t->bits, f->freeze);
	frozen = await_group(f, t->bits, f->frozen);
	before = t->shared->beats;
	sleep_ms(50);
	still = t->shared->beats == before;
	for (int i = 0; i < t->threads; i++) {
		char state = thread_state(t->pid, t->thread[i].tid);

		member[i] = is_member(f, t->bits, t->thread[i].tid);
		*(first ? &t->thread[i].state_frozen_v1 : &t->thread[i].state_frozen_v2) = state;
	}

	group_write(f->control, t->bits, f->thaw);
	thawed = await_group(f, t->bits, f->thawed) && beats(t);
	/* A thawed task proves it by reacting to a stop signal. */
	sys2(kill, t->pid, SIGSTOP);
	await_state(t, 'T', true);
	for (int i = 0; i < t->threads; i++) {
		bool answers = thread_state(t->pid, t->thread[i].tid) == 'T';

		*(first ? &t->thread[i].freezes_v1 : &t->thread[i].freezes_v2) =
			member[i] && frozen && still && thawed && answers;
	}
	sys2(kill, t->pid, SIGCONT);
	await_state(t, 'T', false);
}

void observe_freezers(struct tracee *t)
{
	if (have_v1)
		observe_freezer(t, &v1, true);
	if (have_v2)
		observe_freezer(t, &v2, false);
}

static bool gone(const struct tracee *t, const struct thread *th)
{
	if (!thread_exists(t->pid, th->tid))
		return true;
	/* The leader remains a zombie until its parent waits for it. */
	char state = thread_state(t->pid, th->tid);

	return state == 'Z' || state == 'X';
}

/* Sends the process, not a single thread, a signal whose default action is to terminate. */
void observe_death(struct tracee *t)
{
	long deadline = now_ms() + PATIENCE_MS;
	bool existed[MAX_THREADS], all;

	for (int i = 0; i < t->threads; i++)
		existed[i] = !gone(t, &t->thread[i]);
	sys2(kill, t->pid, SIGTERM);
	do {
		sleep_ms(5);
		all = true;
		for (int i = 0; i < t->threads; i++)
			all &= gone(t, &t->thread[i]);
	} while (!all && now_ms() < deadline);
	for (int i = 0; i < t->threads; i++)
		t->thread[i].dies_with_group = existed[i] && gone(t, &t->thread[i]);
}
