/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory that the probe shares with its tracees. */
#ifndef PROBE_TRACEE_H
#define PROBE_TRACEE_H

#include <stdint.h>

/*
 * One page of a file, mapped by the probe and the tracee. Tracees of both sizes map it at the same
 * address: the loop that keeps the sentinels in registers has no register left for a pointer.
 */
#define SHARED_ADDRESS 0x20000000
#define SHARED_BEATS "0x20000004"

struct shared {
	/* 0 at the start, 1 once the io threads are requested, a negative errno if that failed. */
	volatile int32_t stage;
	/* Increases every few milliseconds while the leader runs. */
	volatile uint32_t beats;
	/* The call that failed: enum step. */
	volatile uint32_t step;
};

enum step { STEP_MAP = 1, STEP_TLS, STEP_SQPOLL, STEP_RING, STEP_RING_MAP, STEP_SUBMIT };

#endif
