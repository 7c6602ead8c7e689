/* SPDX-License-Identifier: GPL-2.0-only */
/* Text, time, files, and what procfs says of a task. */
#ifndef PROBE_TASKS_H
#define PROBE_TASKS_H

#include "system.h"

/* How long anything may take that a healthy kernel does at once. TCG guests are slow. */
#define PATIENCE_MS 5000

bool text_equal(const char *a, const char *b);
bool text_starts(const char *text, const char *with);
/* Whether one of the lines of `text` is `line`. */
bool text_has_line(const char *text, const char *line);
/* Writes `format` to `to`, each % replaced by the next number. */
void text_format(char *to, size_t size, const char *format, long a, long b);

void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);

long now_ms(void);
void sleep_ms(long ms);

/* Reads a small file; `to` ends up terminated. Returns its length or -errno. */
long file_read(const char *path, char *to, size_t size);
long file_write(const char *path, const char *text);

/* wait4 until `tid` changes state or PATIENCE_MS have passed (-ETIMEDOUT). */
long wait_for(int tid, int *status);

/* Whether the thread exists in the group: asked of kill(2), not of procfs. */
bool thread_exists(int pid, int tid);
/* Whether /proc/PID/task shows the thread in a listing and by name. */
bool thread_listed(int pid, int tid);
/* The thread's name; from outside of /proc/PID/task where it is hidden there. */
long thread_name(int pid, int tid, char *to, size_t size);
/* The state letter of proc(5), 0 where there is none to read. */
char thread_state(int pid, int tid);

#endif
