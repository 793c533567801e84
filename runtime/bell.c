/* SPDX-License-Identifier: MIT */
/* bell.c - ringing instead of waking. The protocol is argued in bell.h. */
#include "runtime/bell.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "numa/pin.h"
#include "private/error.h"
#include "private/log.h"
#include "runtime/producers.h"
#include "runtime/route.h"

enum bell_state { BELL_NONE, BELL_BEING_MADE, BELL_THERE, BELL_NEVER };

enum { STACK_BYTES = 256 << 10 };
#define NEEDED_MAX (UINT32_C(1) << 30)

weir_status bell_create(weir_pool *pool)
{
	struct bell *bell = aligned_alloc(CACHE_LINE, sizeof(*bell));
	if (!bell)
		return error_set(WEIR_ENOMEM, "no memory for a bell");
	at_init(&bell->state, BELL_NONE);
	at_init(&bell->is_meek, 0);
	at_init(&bell->processor, -1);
	at_init(&bell->stopping, 0);
	park_init(&bell->park);
	pool->bell = bell;
	return WEIR_OK;
}

void bell_destroy(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	if (!bell)
		return;
	if (at_load(&bell->state, relaxed, none) == BELL_THERE) {
		at_store(&bell->stopping, 1, relaxed, none);
		park_wake(&bell->park);
		pthread_join(bell->thread, NULL);
	}
	free(bell);
	pool->bell = NULL;
}

/* The bell. ------------------------------------------------------------------------------------------------------ */

static void look(weir_pool *pool)
{
	struct producers *producers = pool->producers;
	uint32_t made = at_load(&producers->made, relaxed, none);
	for (uint32_t i = 0; i < made && i < producers->lanes_max; i++) {
		/* ORDER(intakes): acquire, pairs with the release in make(): it is whole. */
		struct intake *in = at_load(&producers->all[i], acquire, intakes);
		/* Relaxed: stored before the ring that ends a sleep on our ticket, or seen now (W12). */
		if (!in || !at_load(&in->habit.rung, relaxed, none))
			continue;
		/* ORDER(announce): seq_cst, before the look, as end_looking() (idle.c); pairs with the load in ring(). ORDER(bell): acquire.
		 * */
		uint32_t rung = at_swap(&in->habit.rung, RUNG_NOT, seq_cst, announce);
		if (!intake_any(in))
			continue;
		if (rung == RUNG_ALONE)
			at_store(&in->habit.missed, 1, relaxed, none);
		route_wake(pool, in->node, false);
	}
}

static void *answer(void *argument)
{
	weir_pool *pool = argument;
	struct bell *bell = pool->bell;
	/* It must not take the processor from who rings: of SCHED_BATCH, nobody does as he wakes up. */
	if (sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){.sched_priority = 0})) {
		LOG(WEIR_LOG_DEBUG, "SCHED_BATCH is refused: each plain task from outside wakes a worker");
		return NULL;
	}
	at_store(&bell->is_meek, 1, relaxed, none);
	for (;;) {
		uint32_t ticket = park_ticket(&bell->park);
		/* Relaxed: stored before the wake that ends a wait on this ticket, or seen after it (P1). */
		if (at_load(&bell->stopping, relaxed, none))
			return NULL;
		look(pool);
		park_wait(&bell->park, ticket, 0);
	}
}

/* Signals are the application's threads' business. */
static int create_thread(weir_pool *pool)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&pool->bell->thread, &attr, answer, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (!error)
		(void)pthread_setname_np(pool->bell->thread, "weir/bell");
	return error;
}

/* A thread of real time that computes would never let the bell come round. */
static bool shares_its_processor(void)
{
	int policy = sched_getscheduler(0);
	return policy == SCHED_OTHER || policy == SCHED_BATCH;
}

/* Somebody has the habit: let there be a bell. */
COLD static void make(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	uint32_t none = BELL_NONE;
	if (!at_cas(&bell->state, &none, BELL_BEING_MADE, relaxed, relaxed, none))
		return;
	int error = create_thread(pool);
	if (error)
		LOG(WEIR_LOG_DEBUG, "no thread for a bell (%d): each plain task from outside wakes a worker", error);
	/* ORDER(bell): release, pairs with the acquire in bell_ring(): what thread it is. */
	at_store(&bell->state, error ? BELL_NEVER : BELL_THERE, release, bell);
}

/* Who rings. ----------------------------------------------------------------------------------------------------- */

/* It goes where who rings is, unless others ring it too, who may be elsewhere. */
static bool is_here(struct bell *bell, struct habit *habit)
{
	int here = sched_getcpu();
	if (here == at_load(&bell->processor, relaxed, none))
		return true;
	uint32_t wakes = at_load(&bell->park.wakes, relaxed, none);
	bool mine = habit->wakes == wakes;
	habit->wakes = wakes;
	if (!mine || !pin_other(bell->thread, here))
		return false;
	at_store(&bell->processor, here, relaxed, none);
	return true;
}

static bool ring(weir_pool *pool, struct intake *in, enum rung why)
{
	struct bell *bell = pool->bell;
	struct habit *habit = &in->habit;
	/* ORDER(announce): seq_cst, after the call was shown: the bell clears it before it looks. */
	if (at_load(&habit->rung, seq_cst, announce) != RUNG_NOT)
		return true;
	/* ORDER(bell): acquire, pairs with the release in make(). */
	if (at_load(&bell->state, acquire, bell) != BELL_THERE || !at_load(&bell->is_meek, relaxed, none) ||
	    !is_here(bell, habit))
		return false;
	habit->rang = true;
	/* ORDER(bell): release, pairs with the exchange in look(): what was shown. */
	at_store(&habit->rung, why, release, bell);
	park_wake(&bell->park);
	habit->wakes = at_load(&bell->park.wakes, relaxed, none);
	return true;
}

NOINLINE bool bell_ring(weir_pool *pool, struct intake *in)
{
	struct habit *habit = &in->habit;
	/* Who looks on and on sees it: then nobody is woken either. A hint. */
	if (worker_self || at_load(&pool->queue[in->node].spinning, relaxed, none))
		return false;
	if (in->pushed == habit->waited + 1)
		return ring(pool, in, RUNG_ALONE);
	/* One more: who is woken or rung for serves all of them. */
	if (!habit->more && habit->rang)
		at_store(&habit->rung, RUNG_NOT, relaxed, none);
	habit->more = true;
	habit->alone = 0;
	return route_only_here(pool, in->node) && ring(pool, in, RUNG_MORE);
}

/* Nobody was woken for what we do not run ourselves. */
static void settle(weir_pool *pool, struct intake *in)
{
	struct habit *habit = &in->habit;
	habit->rang = false;
	at_store(&habit->rung, RUNG_NOT, relaxed, none);
	if (at_load(&habit->missed, relaxed, none)) {
		at_store(&habit->missed, 0, relaxed, none);
		habit->alone = 0;
		if (habit->needed < NEEDED_MAX)
			habit->needed *= 2;
	}
	if (intake_any(in))
		route_wake(pool, in->node, false);
}

void bell_waits(weir_pool *pool, struct intake *in, bool ran)
{
	struct habit *habit = &in->habit;
	bool alone = ran && in->pushed == habit->waited + 1;
	habit->waited = in->pushed;
	habit->alone = !alone ? 0 : habit->alone < NEEDED_MAX ? habit->alone + 1 : NEEDED_MAX;
	habit->more = false;
	if (unlikely(habit->rang))
		settle(pool, in);
	if (unlikely(habit->alone == habit->needed)) {
		if (!pool->bell || !shares_its_processor())
			habit->alone = 0;
		else if (at_load(&pool->bell->state, relaxed, none) == BELL_NONE)
			make(pool);
	}
}
