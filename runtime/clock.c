/* SPDX-License-Identifier: MIT */
/* clock.c - the real clock. */
#include "private/clock.h"

#include <time.h>

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
