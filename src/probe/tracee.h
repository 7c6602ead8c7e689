/* SPDX-License-Identifier: GPL-2.0-only */
/* What the probe and its tracees agree on. */
#ifndef PROBE_TRACEE_H
#define PROBE_TRACEE_H

#include <stdint.h>

/*
 * One page in a file that probe and tracee map, at the same address in tracees of both sizes:
 * the loop that keeps the sentinels live has no register left to hold a pointer.
 */
#define SHARED_ADDRESS 0x20000000
#define SHARED_BEATS "0x20000004"

struct shared {
	/* 0 at first, 1 when the io threads were asked for, a negative errno when that failed. */
	volatile int32_t stage;
	/* Counts up every few milliseconds for as long as the leader runs. */
	volatile uint32_t beats;
	/* Which call failed. */
	volatile uint32_t step;
};

enum step { STEP_MAP = 1, STEP_TLS, STEP_SQPOLL, STEP_RING, STEP_RING_MAP, STEP_SUBMIT };

#endif
