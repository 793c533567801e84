/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the time a pool, an admission controller or a scheduler lives in; replaceable, so that tests and
 * simulations run the same code in virtual time.
 */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/* now_ns must never go back and must be callable from any thread; NULL: CLOCK_MONOTONIC. */
typedef struct weir_clock {
	uint64_t (*now_ns)(void *context);
	void *context;
} weir_clock;

/* CLOCK_MONOTONIC in nanoseconds. Thread: any. */
WEIR_API uint64_t weir_clock_monotonic_ns(void);

WEIR_END_DECLS

#endif
