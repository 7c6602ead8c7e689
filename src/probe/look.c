// SPDX-License-Identifier: GPL-2.0-or-later
/* Stops each thread as a debugger would and reads its registers through every ptrace request. */
#include "tasks.h"
#include "thread.h"

const uint8_t view32[REGISTERS32] = {
	BX, CX, DX, SI, DI, BP, AX, DS, ES, FS, GS, ORIG_AX, IP, CS, FLAGS, SP, SS
};

static long peek_user(int tid, int reg, uint64_t *value)
{
	return sys4(ptrace, PTRACE_PEEKUSER, tid, reg * 8, value);
}

/* Uses GETREGS if it works, otherwise PEEKUSER for each register. */
static void read_registers(struct thread *th)
{
	th->getregs = sys4(ptrace, PTRACE_GETREGS, th->tid, 0, &th->regs);
	for (int reg = 0; reg < REGISTERS; reg++)
		th->readable[reg] = !th->getregs || !peek_user(th->tid, reg, &th->regs.value[reg]);
}

static int view_agrees(const struct thread *th, const void *view)
{
	const uint64_t *wide = view;
	const uint32_t *narrow = view;

	if (th->getregs)
		return UNSEEN;
	if (th->regset_bytes == (long)sizeof(struct registers)) {
		for (int reg = 0; reg < REGISTERS; reg++)
			if (wide[reg] != th->regs.value[reg])
				return false;
		return true;
	}
	if (th->regset_bytes == (long)sizeof(view32) * 4) {
		for (size_t i = 0; i < sizeof(view32); i++)
			if (narrow[i] != (uint32_t)th->regs.value[view32[i]])
				return false;
		return true;
	}
	return false;
}

static void read_view(struct thread *th)
{
	static uint64_t view[128];
	struct iovec io = { view, sizeof(view) };

	th->regset = sys4(ptrace, PTRACE_GETREGSET, th->tid, NT_PRSTATUS, &io);
	if (th->regset)
		return;
	th->regset_bytes = io.len;
	th->regset_agrees = view_agrees(th, view);
}

static void read_all(struct thread *th)
{
	th->read = true;
	th->peekuser_cs = peek_user(th->tid, CS, &th->cs);
	th->peekuser_ds = peek_user(th->tid, DS, &th->ds);
	read_registers(th);
	read_view(th);
}

/* A tracer can only detach from a stopped thread. */
static void leave(int tid, bool stopped)
{
	int status;

	if (!stopped) {
		sys4(ptrace, PTRACE_INTERRUPT, tid, 0, 0);
		wait_for(tid, &status);
	}
	sys4(ptrace, PTRACE_DETACH, tid, 0, 0);
}

static void seize(struct thread *th)
{
	int status = 0;

	th->seize = sys4(ptrace, PTRACE_SEIZE, th->tid, 0, 0);
	if (th->seize)
		return;
	sys4(ptrace, PTRACE_INTERRUPT, th->tid, 0, 0);
	th->stops_on_interrupt = wait_for(th->tid, &status) == th->tid &&
				 status == (PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f);
	read_all(th);
	leave(th->tid, th->stops_on_interrupt);
}

static void attach(struct thread *th)
{
	int status = 0;

	th->attach = sys4(ptrace, PTRACE_ATTACH, th->tid, 0, 0);
	if (th->attach)
		return;
	th->stops_on_attach = wait_for(th->tid, &status) == th->tid && status == (SIGSTOP << 8 | 0x7f);
	if (!th->read)
		read_all(th);
	leave(th->tid, th->stops_on_attach);
}

void look(struct tracee *t)
{
	for (int i = 0; i < t->threads; i++)
		seize(&t->thread[i]);
	for (int i = 0; i < t->threads; i++)
		attach(&t->thread[i]);
}
