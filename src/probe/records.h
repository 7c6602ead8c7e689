/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The output of the probe: one JSON object per line, each with a sequence number and a CRC-32. The
 * lines go to the second serial port, or to standard output if other programs run in the guest.
 * The sequence number of the last record gives the number of records before it.
 */
#ifndef PROBE_RECORDS_H
#define PROBE_RECORDS_H

#include "system.h"

void records_open(bool alone);

void record_begin(const char *kind);
void field_text(const char *name, const char *value);
void field_bool(const char *name, bool value);
/* Writes true, false, or null for a negative value (not observed). */
void field_maybe(const char *name, int value);
void field_number(const char *name, long value);
void field_hex(const char *name, uint64_t value);
void field_null(const char *name);
/* Writes "ok" or the name of the errno. */
void field_errno(const char *name, long ret);
void object_begin(const char *name);
void object_end(void);
void record_end(void);

/* Reports what the probe does next: the last step shows where a guest hung. */
void step(const char *what, int bits);
/* Reports what could not be observed, and why. */
void note(const char *what, long ret);

const char *errno_name(long ret);

#endif
