/* SPDX-License-Identifier: MIT */
/*
 * law.h - the adaptive rule's law: from how long granted tasks wait for a worker to how much of the limits is used.
 *
 * Pure. law_note() by anybody at any time, law_tick() by one at a time.
 *
 * What is measured is the delay between grant and start, not the time in the waiting room: a smaller factor makes the first
 * shorter and the second longer, so that a law on the second would drive itself to the end. A standing delay is the
 * shortest one of an interval (K. Nichols, V. Jacobson: Controlling Queue Delay, ACM Queue 10(5), 2012): bursts that drain
 * are none. On it, the factor falls by a part and rises by a step, which converges and is fair (D.-M. Chiu, R. Jain:
 * Analysis of the Increase and Decrease Algorithms for Congestion Avoidance, 1989).
 */
#ifndef WEIR_RUNTIME_LAW_H
#define WEIR_RUNTIME_LAW_H

#include <stdbool.h>
#include <stdint.h>

#include "private/atomics.h"

enum {
	LAW_FACTOR_MAX = 1000, /* permille of the limits */
	LAW_FACTOR_MIN = 100,
	LAW_FALL_PERMILLE = 800, /* of what it was */
	LAW_RISE = 50
};

struct law {
	uint64_t target_ns;
	uint64_t interval_ns;
	uint64_t next_ns;	       /* who ticks: the end of the interval */
	_Atomic(uint64_t) shortest_ns; /* of this interval; UINT64_MAX: nobody started */
	_Atomic(uint64_t) standing_ns; /* of the last interval in which somebody started */
	_Atomic(uint32_t) factor;      /* permille */
};

void law_init(struct law *law, uint64_t target_ns, uint64_t interval_ns, uint64_t now_ns);

/* A granted task started after so long. Lock-free; one load unless it is the shortest so far. */
void law_note(struct law *law, uint64_t delay_ns);

/* True: the factor changed. An interval in which nobody started says nothing, and changes nothing. */
bool law_tick(struct law *law, uint64_t now_ns);

/* All of the limits again: the rule was switched off. */
void law_reset(struct law *law, uint64_t now_ns);

#endif
