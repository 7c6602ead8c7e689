// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The NT_PRSTATUS notes of a core dump: a second way to the registers, besides ptrace, and the
 * only one that outlives the process.
 */
#include "records.h"
#include "tasks.h"
#include "thread.h"

enum { RLIMIT_CORE = 4, PT_NOTE = 4, ELFCLASS32 = 1, ELFCLASS64 = 2 };

/* Holds the notes of a few threads; the extended states are the largest. */
static char dump[512 * 1024] __attribute__((aligned(8)));

static uint64_t number(const char *at, int size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

/*
 * include/linux/elfcore.h: struct elf_prstatus (and compat_elf_prstatus): total size, offsets of
 * pr_pid and pr_reg, and width and number of the registers.
 */
static const struct layout { int size, pid, regs, width, count; } layouts[] = {
	{ .size = 336, .pid = 32, .regs = 112, .width = 8, .count = REGISTERS },
	{ .size = 144, .pid = 24, .regs = 72, .width = 4, .count = REGISTERS32 },
};

static void take_note(struct thread *th, const struct layout *layout, const char *note)
{
	th->core_bytes = layout->width * layout->count;
	for (int i = 0; i < layout->count; i++) {
		int reg = layout->width == 8 ? i : view32[i];

		th->core.value[reg] = number(note + layout->regs + i * layout->width, layout->width);
		th->core_has[reg] = true;
	}
}

static struct thread *thread_of(struct tracee *t, int tid)
{
	for (int i = 0; i < t->threads; i++)
		if (t->thread[i].tid == tid)
			return &t->thread[i];
	return 0;
}

/*
 * gABI, "Note Section": name size, descriptor size and type, followed by name and descriptor, each
 * padded to four bytes.
 */
static void take_notes(struct tracee *t, const char *at, const char *end)
{
	while (end - at >= 12) {
		uint64_t name = number(at, 4), size = number(at + 4, 4), type = number(at + 8, 4);
		const char *note = at + 12 + ((name + 3) & ~3ul);

		at = note + ((size + 3) & ~3ul);
		if (at > end || type != NT_PRSTATUS)
			continue;
		for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
			struct thread *th = thread_of(t, number(note + layouts[i].pid, 4));

			if ((int)size == layouts[i].size && th)
				take_note(th, &layouts[i], note);
		}
	}
}

/* gABI, "ELF Header" and "Program Header": follows the offsets to the notes. */
static bool read_dump(struct tracee *t, long size)
{
	bool wide = dump[4] == ELFCLASS64;
	uint64_t headers = wide ? number(dump + 32, 8) : number(dump + 28, 4);
	int length = number(dump + (wide ? 54 : 42), 2), count = number(dump + (wide ? 56 : 44), 2);

	if (size < 64 || number(dump, 4) != 0x464c457f || (!wide && dump[4] != ELFCLASS32))
		return false;
	for (int i = 0; i < count; i++) {
		const char *header = dump + headers + i * length;
		uint64_t offset, notes;

		if (header + length > dump + size)
			return false;
		if (number(header, 4) != PT_NOTE)
			continue;
		offset = wide ? number(header + 8, 8) : number(header + 4, 4);
		notes = wide ? number(header + 32, 8) : number(header + 16, 4);
		if (offset + notes > (uint64_t)size)
			return false;
		take_notes(t, dump + offset, dump + offset + notes);
		return true;
	}
	return false;
}

static long take_dump(struct tracee *t)
{
	const uint64_t unlimited[2] = { ~0ul, ~0ul };
	int status;
	long ret = file_write("/proc/sys/kernel/core_pattern", "/core");

	if (ret < 0)
		return ret;
	sys1(unlink, "/core");
	ret = sys4(prlimit64, t->pid, RLIMIT_CORE, unlimited, 0);
	if (ret)
		return ret;
	sys2(kill, t->pid, SIGABRT);
	ret = wait_for(t->pid, &status);
	return ret < 0 ? ret : file_read("/core", dump, sizeof(dump));
}

/* The threads of two tracees correspond by kind: leader, iou-sqp, iou-mgr or iou-wrk. */
static bool same_kind(const struct thread *a, const struct thread *b)
{
	char kind[8];

	memcpy(kind, a->name, sizeof(kind));
	kind[7] = 0;
	return a->leader == b->leader && (a->leader || text_starts(b->name, kind));
}

/*
 * The first thread of a kind in the dump represents all threads of that kind: in 5.12, an idle
 * worker may exit before the kernel dumps its process.
 */
static void take_core(struct thread *th, const struct tracee *other)
{
	for (int i = 0; i < other->threads; i++) {
		const struct thread *dumped = &other->thread[i];

		if (!dumped->core_bytes || !same_kind(th, dumped))
			continue;
		th->core_bytes = dumped->core_bytes;
		th->core = dumped->core;
		memcpy(th->core_has, dumped->core_has, sizeof(th->core_has));
		return;
	}
}

void observe_core(struct tracee *t)
{
	static struct tracee other;
	long size;

	memset(&other, 0, sizeof(other));
	if (!tracee_spawn(&other, t->bits))
		return;
	size = take_dump(&other);
	if (size < 0)
		note("no core was dumped", size);
	else if (!read_dump(&other, size))
		note("the core dump cannot be understood", -EINVAL);
	for (int i = 0; size >= 0 && i < other.threads; i++)
		if (!other.thread[i].core_bytes)
			note("a thread of the process is not in its core dump", -ENOENT);
	for (int i = 0; i < t->threads; i++)
		take_core(&t->thread[i], &other);
	tracee_end(&other);
}
