/* SPDX-License-Identifier: MIT */
/* clock.c - the real clock. */
#include "private/clock.h"

#include <sched.h>
#include <time.h>

#include "private/atomics.h"

enum { PAUSES = 100, YIELDS = 100, NAP_NS = 50 * WEIR_NS_PER_US };

uint64_t weir_clock_monotonic_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * WEIR_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_thread_cpu_ns(void)
{
	struct timespec spent;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * WEIR_NS_PER_S + (uint64_t)spent.tv_nsec;
}

void clock_give_way(uint32_t looks)
{
	if (looks < PAUSES)
		at_pause();
	else if (looks < PAUSES + YIELDS)
		sched_yield();
	else
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

void clock_yield(void)
{
	sched_yield();
}
