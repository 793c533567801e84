/* SPDX-License-Identifier: MIT */
/* clock.h - the only home of time: a clock that may be virtual, and the real one for what sleeps. */
#ifndef WEIR_PRIVATE_CLOCK_H
#define WEIR_PRIVATE_CLOCK_H

#include <weir/clock.h>

/* Below UINT64_MAX, which means never, whatever the application's clock says. */
static inline uint64_t clock_now_ns(const weir_clock *clock)
{
	if (!clock->now_ns)
		return weir_clock_monotonic_ns();
	uint64_t now_ns = clock->now_ns(clock->context);
	return now_ns < UINT64_MAX ? now_ns : UINT64_MAX - 1;
}

/* The CPU time that the calling thread has used: what something costs, whatever else the machine does. */
uint64_t clock_thread_cpu_ns(void);

/* In a loop that looks for what another thread is just about to do; looks: how often in a row it was not done. It pauses, then
 * yields, then sleeps for a moment: who keeps a processor by real time may be in the way of the very thread that it waits for. */
void clock_give_way(uint32_t looks);

/* The same for who looks on and on for its own sake: it goes behind its equals. */
void clock_yield(void);

#endif
