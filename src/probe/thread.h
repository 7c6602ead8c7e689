/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads of a tracee and everything the probe observes about them. */
#ifndef PROBE_THREAD_H
#define PROBE_THREAD_H

#include "system.h"

/* arch/x86/include/asm/user_64.h: struct user_regs_struct, in its order. */
enum {
	R15, R14, R13, R12, BP, BX, R11, R10, R9, R8, AX, CX, DX, SI, DI, ORIG_AX, IP, CS,
	FLAGS, SP, SS, FS_BASE, GS_BASE, DS, ES, FS, GS, REGISTERS
};

struct registers { uint64_t value[REGISTERS]; };

/* Not observed yet. The int fields below hold false, true or this value. */
enum { UNSEEN = -1 };

struct thread {
	int tid;
	char name[32];
	bool leader;
	bool listed;
	char state;

	long seize, attach;
	int stops_on_interrupt, stops_on_attach;

	bool read;
	long peekuser_cs, peekuser_ds, regset, getregs;
	uint64_t cs, ds;
	long regset_bytes;
	struct registers regs;
	bool readable[REGISTERS];
	int regset_agrees;

	int stops_on_sigstop, resumes_on_sigcont;
	int freezes_v1, freezes_v2;
	char state_frozen_v1, state_frozen_v2;
	int dies_with_group;

	/* Size of the thread's registers in the core dump, 0 if the dump has no note for the thread. */
	long core_bytes;
	struct registers core;
	bool core_has[REGISTERS];
};

#define MAX_THREADS 16

struct tracee {
	int bits, pid;
	struct shared *shared;
	int threads;
	struct thread thread[MAX_THREADS];
	/* The registers of the leader at the entry of its latest system call. */
	bool entered;
	struct registers entry;
	/* For each thread, the registers at the entry of the call that created the thread. */
	int births;
	struct birth { int tid; struct registers creator; } birth[MAX_THREADS];
};

/* spawn.c: starts a tracee; if that fails, reports the reason and returns false. */
bool tracee_spawn(struct tracee *t, int bits);
void tracee_find_threads(struct tracee *t);
void tracee_end(struct tracee *t);

/* arch/x86/kernel/ptrace.c: user_regs_struct32, as indexes into the 64-bit structure. */
#define REGISTERS32 17
extern const uint8_t view32[REGISTERS32];

/* look.c: ptrace stops, and the registers that ptrace can read during a stop. */
void look(struct tracee *t);

/* control.c: job control, the two freezers, a fatal signal. */
void freezers_mount(void);
void observe_job_control(struct tracee *t);
void observe_freezers(struct tracee *t);
void observe_death(struct tracee *t);

/* core.c: the registers of each kind of thread in the core dump of another tracee of the same size. */
void observe_core(struct tracee *t);

/* debug.c: runs each debugger of the initramfs on a separate tracee. */
void debuggers_run(int bits);

/* report.c */
void report_tracee(struct tracee *t);
void report_no_tracee(int bits, const char *what, long ret);

#endif
