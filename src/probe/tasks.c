// SPDX-License-Identifier: GPL-2.0-or-later
#include "tasks.h"

/* The compiler may call memset and memcpy even in freestanding code. */
void *memset(void *to, int value, size_t size)
{
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
	return ret;
}

void *memcpy(void *to, const void *from, size_t size)
{
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return ret;
}

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool text_starts(const char *text, const char *with)
{
	while (*with)
		if (*text++ != *with++)
			return false;
	return true;
}

bool text_has_line(const char *text, const char *line)
{
	size_t length = 0;

	while (line[length])
		length++;
	while (*text) {
		if (text_starts(text, line) && (text[length] == '\n' || !text[length]))
			return true;
		while (*text && *text++ != '\n')
			;
	}
	return false;
}

void text_format(char *to, size_t size, const char *format, long a, long b)
{
	char *end = to + size - 1;

	for (; *format && to < end; format++) {
		char digits[24];
		int n = 0;

		if (*format != '%') {
			*to++ = *format;
			continue;
		}
		do
			digits[n++] = '0' + a % 10;
		while (a /= 10);
		while (n && to < end)
			*to++ = digits[--n];
		a = b;
	}
	*to = 0;
}

long now_ms(void)
{
	struct timespec now;

	sys2(clock_gettime, 1 /* CLOCK_MONOTONIC */, &now);
	return now.sec * 1000 + now.nsec / 1000000;
}

void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	sys2(nanosleep, &time, 0);
}

long file_read(const char *path, char *to, size_t size)
{
	long fd = sys3(open, path, O_RDONLY, 0);
	size_t used = 0;
	long n;

	to[0] = 0;
	if (fd < 0)
		return fd;
	while ((n = sys3(read, fd, to + used, size - 1 - used)) > 0)
		used += n;
	sys1(close, fd);
	to[used] = 0;
	return n < 0 ? n : (long)used;
}

long file_write(const char *path, const char *text)
{
	long fd = sys3(open, path, O_WRONLY, 0);
	size_t length = 0;
	long ret;

	if (fd < 0)
		return fd;
	while (text[length])
		length++;
	ret = sys3(write, fd, text, length);
	sys1(close, fd);
	return ret;
}

long wait_for(int tid, int *status)
{
	long deadline = now_ms() + PATIENCE_MS;

	for (;;) {
		long ret = sys4(wait4, tid, status, WNOHANG | __WALL, 0);

		if (ret)
			return ret;
		if (now_ms() > deadline)
			return -ETIMEDOUT;
		sleep_ms(2);
	}
}

bool thread_exists(int pid, int tid)
{
	return sys3(tgkill, pid, tid, 0) == 0;
}

struct dirent { uint64_t ino, off; uint16_t length; uint8_t type; char name[]; };

static bool in_listing(int pid, int tid)
{
	char path[64], number[16], entries[2048] __attribute__((aligned(8)));
	bool found = false;
	long fd, n;

	text_format(path, sizeof(path), "/proc/%/task", pid, 0);
	text_format(number, sizeof(number), "%", tid, 0);
	fd = sys3(open, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return false;
	while ((n = sys3(getdents64, fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n; at += ((struct dirent *)(entries + at))->length)
			found |= text_equal(((struct dirent *)(entries + at))->name, number);
	sys1(close, fd);
	return found;
}

bool thread_listed(int pid, int tid)
{
	char path[64], text[64];

	text_format(path, sizeof(path), "/proc/%/task/%/comm", pid, tid);
	return in_listing(pid, tid) && file_read(path, text, sizeof(text)) > 0;
}

/* Reads a procfs file of the thread, below /proc/TID if /proc/PID/task hides the thread. */
static long thread_file(int pid, int tid, const char *file, char *to, size_t size)
{
	char path[64], format[64];
	long ret;

	text_format(path, sizeof(path), "/proc/%/task/%/", pid, tid);
	for (int attempt = 0; attempt < 2; attempt++) {
		size_t used = 0;

		while (path[used])
			used++;
		for (const char *c = file; *c && used < sizeof(path) - 1; c++)
			path[used++] = *c;
		path[used] = 0;
		ret = file_read(path, to, size);
		if (ret > 0)
			return ret;
		text_format(format, sizeof(format), "/proc/%/", tid, 0);
		memcpy(path, format, sizeof(path));
	}
	return ret;
}

long thread_name(int pid, int tid, char *to, size_t size)
{
	long n = thread_file(pid, tid, "comm", to, size);

	if (n > 0 && to[n - 1] == '\n')
		to[n - 1] = 0;
	return n;
}

char thread_state(int pid, int tid)
{
	char text[512];
	char state = 0;

	if (thread_file(pid, tid, "stat", text, sizeof(text)) <= 0)
		return 0;
	/* pid (comm) state …; comm may contain any character, so the last parenthesis counts. */
	for (const char *c = text; *c; c++)
		if (c[0] == ')' && c[1] == ' ')
			state = c[2];
	return state;
}
