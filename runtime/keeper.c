/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - a thread that does what is due, and sleeps until something is.
 *
 * Holds:     the thread.
 * Invariant: X4  it never sleeps past a time that was said to be due: the ticket is taken before the times are read, and who
 *                makes one earlier wakes it afterwards (P1).
 * Progress:  a task never waits for it. It wakes up when a time has come, and no other time: an idle pool has none.
 * Not here:  what is due (tick.c).
 *
 * A virtual clock moves as its program likes, so a time of its cannot be slept for. While something is due then, the
 * keeper looks at the clock every millisecond of real time, and up to 16 ms while it stands still; a program that wants to
 * have done at once what its clock has come to calls weir_admission_tick().
 */
#include "runtime/keeper.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "private/error.h"

#define SLEEP_NS_MIN (50 * WEIR_NS_PER_US) /* what is due just now, another thread is at it */
#define LOOK_NS_MIN WEIR_NS_PER_MS
#define LOOK_NS_MAX (16 * WEIR_NS_PER_MS)

struct keeper {
	struct weir_admission *admission;
	pthread_t thread;
	_Atomic(uint32_t) stopping;
	/* Of virtual time. */
	uint64_t looked_ns;
	uint64_t look_every_ns;
};

/* How long to sleep, in real time; 0: until woken. */
static uint64_t sleep_ns(struct keeper *keeper)
{
	uint64_t next_ns = admission_next_ns(keeper->admission);
	if (next_ns == UINT64_MAX)
		return 0;
	const weir_clock *clock = &keeper->admission->clock;
	uint64_t now_ns = clock_now_ns(clock);
	if (!clock->now_ns)
		return next_ns > now_ns + SLEEP_NS_MIN ? next_ns - now_ns : SLEEP_NS_MIN;
	uint64_t every_ns = now_ns == keeper->looked_ns ? 2 * keeper->look_every_ns : LOOK_NS_MIN;
	keeper->looked_ns = now_ns;
	keeper->look_every_ns = every_ns < LOOK_NS_MAX ? every_ns : LOOK_NS_MAX;
	return keeper->look_every_ns;
}

static void *keep(void *argument)
{
	struct keeper *keeper = argument;
	struct park *alarm = &keeper->admission->alarm;
	for (;;) {
		admission_tick(keeper->admission);
		uint32_t ticket = park_ticket(alarm);
		/* Relaxed: stored before the wake that ends a wait on this ticket, or seen after it (P1). */
		if (at_load(&keeper->stopping, relaxed, none))
			return NULL;
		park_wait(alarm, ticket, sleep_ns(keeper));
	}
}

/* Signals are the application's threads' business. */
static int create_thread(struct keeper *keeper)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&keeper->thread, NULL, keep, keeper);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		(void)pthread_setname_np(keeper->thread, "weir/keeper");
	return error;
}

weir_status keeper_start(struct keeper **out, struct weir_admission *admission, uint64_t period_ns)
{
	*out = NULL;
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	if (!keeper)
		return error_set(WEIR_ENOMEM, "no memory for the keeper");
	keeper->admission = admission;
	keeper->look_every_ns = LOOK_NS_MIN;
	admission->period_ns = period_ns;
	int error = create_thread(keeper);
	if (error) {
		free(keeper);
		return error_set_errno(WEIR_ESYSTEM, error, "the keeper's thread");
	}
	*out = keeper;
	return WEIR_OK;
}

void keeper_stop(struct keeper *keeper)
{
	if (!keeper)
		return;
	at_store(&keeper->stopping, 1, relaxed, none);
	park_wake(&keeper->admission->alarm);
	pthread_join(keeper->thread, NULL);
	free(keeper);
}
