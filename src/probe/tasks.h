/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text, time, files, and information about tasks from procfs. */
#ifndef PROBE_TASKS_H
#define PROBE_TASKS_H

#include "system.h"

/* Time limit for operations that a healthy kernel completes at once. TCG guests are slow. */
#define PATIENCE_MS 5000

bool text_equal(const char *a, const char *b);
bool text_starts(const char *text, const char *with);
/* Whether `text` contains the line `line`. */
bool text_has_line(const char *text, const char *line);
/* Writes `format` to `to` and replaces the first % by `a`, any further % by `b`. */
void text_format(char *to, size_t size, const char *format, long a, long b);

void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);

long now_ms(void);
void sleep_ms(long ms);

/* Reads a small file into `to`, NUL-terminated. Returns the length or -errno. */
long file_read(const char *path, char *to, size_t size);
long file_write(const char *path, const char *text);

/* Waits with wait4 until `tid` changes state; returns -ETIMEDOUT after PATIENCE_MS. */
long wait_for(int tid, int *status);

/* Whether the thread exists in the group, according to tgkill(2), not to procfs. */
bool thread_exists(int pid, int tid);
/* Whether /proc/PID/task shows the thread both in a listing and by name. */
bool thread_listed(int pid, int tid);
/* Reads the name of the thread, from /proc/TID if /proc/PID/task hides the thread. */
long thread_name(int pid, int tid, char *to, size_t size);
/* Returns the state letter of proc(5), or 0 if it cannot be read. */
char thread_state(int pid, int tid);

#endif
