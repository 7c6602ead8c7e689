// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes the observations as records. Field names are those of report.json. */
#include "records.h"
#include "tasks.h"
#include "thread.h"

static const char *const register_name[REGISTERS] = {
	"r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si",
	"di", "orig_ax", "ip", "cs", "flags", "sp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"
};

static void report_registers(const char *field, const struct registers *regs, const bool *readable)
{
	object_begin(field);
	for (int reg = 0; reg < REGISTERS; reg++) {
		if (!readable || readable[reg])
			field_hex(register_name[reg], regs->value[reg]);
		else
			field_null(register_name[reg]);
	}
	object_end();
}

static void field_register(const char *field, const struct thread *th, int reg)
{
	if (th->readable[reg])
		field_hex(field, th->regs.value[reg]);
	else
		field_null(field);
}

static void field_peek(const char *field, bool read, long ret, uint64_t value)
{
	if (!read)
		field_null(field);
	else if (ret)
		field_errno(field, ret);
	else
		field_hex(field, value);
}

static void field_state(const char *field, char state)
{
	const char text[2] = { state, 0 };

	if (state)
		field_text(field, text);
	else
		field_null(field);
}

/*
 * The registers of the creator at the entry of the call, or null if they were not observed. In 5.12 a
 * manager thread creates the workers, so they inherit the registers through the manager.
 */
static const struct registers *creator_of(const struct tracee *t, const struct thread *th)
{
	int tid = th->tid;

	for (int i = 0; i < t->threads && text_starts(th->name, "iou-wrk"); i++)
		if (text_starts(t->thread[i].name, "iou-mgr"))
			tid = t->thread[i].tid;
	for (int i = 0; i < t->births; i++)
		if (t->birth[i].tid == tid)
			return &t->birth[i].creator;
	return 0;
}

/* Drops the process id from `iou-sqp-123`, because it differs from boot to boot. */
static void field_thread(const struct thread *th)
{
	char kind[sizeof(th->name)];

	memcpy(kind, th->name, sizeof(kind));
	if (text_starts(kind, "iou-"))
		kind[7] = 0;
	field_text("thread", th->leader ? "leader" : kind);
	field_text("name", th->name);
}

static void report_reads(const struct thread *th)
{
	field_peek("peekuser_cs", th->read, th->peekuser_cs, th->cs);
	field_peek("peekuser_ds", th->read, th->peekuser_ds, th->ds);
	if (th->read) {
		field_errno("regset", th->regset);
		field_errno("getregs", th->getregs);
	} else {
		field_null("regset");
		field_null("getregs");
	}
	if (th->read && !th->regset)
		field_number("regset_bytes", th->regset_bytes);
	else
		field_null("regset_bytes");
	field_maybe("regset_agrees", th->regset_agrees);
	field_register("cs", th, CS);
	field_register("ss", th, SS);
	field_register("ip", th, IP);
	field_register("sp", th, SP);
	report_registers("regs", &th->regs, th->readable);
}

static void report_creator(const struct tracee *t, const struct thread *th)
{
	const struct registers *creator = th->leader ? 0 : creator_of(t, th);

	if (creator)
		report_registers("creator_regs", creator, 0);
	else
		field_null("creator_regs");
}

static void report_core(const struct thread *th)
{
	if (!th->core_bytes) {
		field_null("core");
		return;
	}
	object_begin("core");
	field_number("bytes", th->core_bytes);
	report_registers("regs", &th->core, th->core_has);
	object_end();
}

static void report_thread(const struct tracee *t, const struct thread *th)
{
	int frozen = th->freezes_v1 == UNSEEN && th->freezes_v2 == UNSEEN ?
			     UNSEEN : th->freezes_v1 == 1 && th->freezes_v2 == 1;

	record_begin("thread");
	field_number("tracee_bits", t->bits);
	field_thread(th);
	field_number("tid", th->tid);
	field_state("state", th->state);
	field_bool("listed", th->listed);
	field_errno("seize", th->seize);
	field_errno("attach", th->attach);
	report_reads(th);
	field_bool("stops_on_interrupt", th->stops_on_interrupt == 1);
	field_bool("stops_on_attach", th->stops_on_attach == 1);
	field_bool("stops_on_sigstop", th->stops_on_sigstop == 1);
	field_bool("resumes_on_sigcont", th->resumes_on_sigcont == 1);
	field_maybe("freezes", frozen);
	field_maybe("freezes_v1", th->freezes_v1);
	field_maybe("freezes_v2", th->freezes_v2);
	field_state("state_frozen_v1", th->state_frozen_v1);
	field_state("state_frozen_v2", th->state_frozen_v2);
	field_bool("dies_with_group", th->dies_with_group == 1);
	report_creator(t, th);
	report_core(th);
	record_end();
}

void report_tracee(struct tracee *t)
{
	record_begin("tracee");
	field_number("tracee_bits", t->bits);
	field_null("missing");
	field_number("threads", t->threads);
	record_end();
	for (int i = 0; i < t->threads; i++)
		report_thread(t, &t->thread[i]);
}

void report_no_tracee(int bits, const char *what, long ret)
{
	record_begin("tracee");
	field_number("tracee_bits", bits);
	object_begin("missing");
	field_text("what", what);
	field_errno("error", ret);
	object_end();
	field_number("threads", 0);
	record_end();
}
