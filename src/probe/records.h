/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way out of the guest: one JSON object a line, each with its number and CRC-32, on a
 * serial port of its own, or on standard output where other programs run beside the probe.
 * The last record says how many there were.
 */
#ifndef PROBE_RECORDS_H
#define PROBE_RECORDS_H

#include "system.h"

void records_open(bool alone);

void record_begin(const char *kind);
void field_text(const char *name, const char *value);
void field_bool(const char *name, bool value);
/* true, false, or null for a negative value: not observed. */
void field_maybe(const char *name, int value);
void field_number(const char *name, long value);
void field_hex(const char *name, uint64_t value);
void field_null(const char *name);
/* "ok", or the name of the errno. */
void field_errno(const char *name, long ret);
void object_begin(const char *name);
void object_end(void);
void record_end(void);

/* What the probe does next: the last one of these says where a guest hung. */
void step(const char *what, int bits);
/* Something that could not be observed, and why. */
void note(const char *what, long ret);

const char *errno_name(long ret);

#endif
