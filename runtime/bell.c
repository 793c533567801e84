/* SPDX-License-Identifier: MIT */
/* bell.c - ringing instead of waking. The protocol is argued in bell.h. */
#include "runtime/bell.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "numa/pin.h"
#include "private/error.h"
#include "private/log.h"
#include "private/thread.h"
#include "runtime/producers.h"
#include "runtime/route.h"

enum { STACK_BYTES = 256 << 10 };

static struct bell_scheduling scheduling_of_caller(void)
{
	struct sched_param param = {0};
	(void)sched_getparam(0, &param);
	return (struct bell_scheduling){sched_getscheduler(0), param.sched_priority, getpriority(PRIO_PROCESS, 0)};
}

weir_status bell_create(weir_pool *pool)
{
	struct bell *bell = aligned_alloc(CACHE_LINE, sizeof(*bell));
	if (!bell)
		return error_set(WEIR_ENOMEM, "no memory for a bell");
	at_init(&bell->state, BELL_NONE);
	at_init(&bell->watching, 0);
	at_init(&bell->stopping, 0);
	bell->quiet = 0;
	bell->off = BELL_NOWHERE;
	bell->scheduling = scheduling_of_caller();
	park_init(&bell->park);
	pool->bell = bell;
	return WEIR_OK;
}

void bell_destroy(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	if (!bell)
		return;
	/* ORDER(bell): acquire, pairs with the release in make(): what thread it is. */
	if (at_load(&bell->state, acquire, bell) == BELL_THERE) {
		at_store(&bell->stopping, 1, relaxed, none);
		park_wake(&bell->park);
		pthread_join(bell->thread, NULL);
	}
	free(bell);
	pool->bell = NULL;
}

/* Who goes the rounds. ------------------------------------------------------------------------------------------- */

static void answer_for(weir_pool *pool, struct intake *in)
{
	/* ORDER(announce): seq_cst, before the look, as end_looking() (idle.c); pairs with the load in ring(). ORDER(bell): acquire. */
	bool rung = at_swap(&in->habit.rung, 0, seq_cst, announce);
	if (!intake_any(in))
		return;
	if (rung)
		at_store(&in->habit.missed, 1, relaxed, none);
	/* Who submitted may keep its processor for ever: rather another's. */
	route_wake_for(pool, in->node, at_load(&in->habit.processor, relaxed, none));
}

/* At each lane that was rung for at the round before as well; last: at each that was rung for. Has anybody rung since? processor:
 * where; BELL_NOWHERE: on several. */
static bool look_at_lanes(weir_pool *pool, bool last, int *processor)
{
	struct producers *producers = pool->producers;
	/* ORDER(announce): seq_cst, as is the load of each: after `watching` was cleared. Pairs with make() (producers.c): who rings while that
	 * was set has its lane among them. */
	uint32_t made = at_load(&producers->made, seq_cst, announce);
	bool any = false;
	for (uint32_t i = 0; i < made && i < producers->lanes_max; i++) {
		/* ORDER(intakes): acquire, pairs with make() (producers.c): it is whole. ORDER(announce): seq_cst, as above. */
		struct intake *in = at_load(&producers->all[i], seq_cst, intakes);
		if (!in)
			continue;
		/* ORDER(announce): seq_cst, after `watching` was cleared; pairs with the store in ring(). */
		bool rung = at_load(&in->habit.rung, seq_cst, announce);
		uint32_t rings = at_load(&in->habit.rings, relaxed, none);
		bool since = rings != in->habit.heard;
		if (since) {
			in->habit.heard = rings;
			int rang_on = at_load(&in->habit.processor, relaxed, none);
			*processor = !any || *processor == rang_on ? rang_on : BELL_NOWHERE;
			any = true;
		}
		if (rung && (last || !since))
			answer_for(pool, in);
	}
	return any;
}

void bell_begin_rounds(weir_pool *pool)
{
	pool->bell->quiet = 0;
	at_store(&pool->bell->watching, 1, relaxed, none);
}

bool bell_go_round(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	int processor = BELL_NOWHERE;
	bell->quiet = look_at_lanes(pool, false, &processor) ? 0 : bell->quiet + 1;
	/* Where somebody rings we are not needed, and what keeps that is not to keep us. */
	if (!bell->quiet && processor != bell->off)
		pin_anywhere_but(pool->machine, bell->off = processor);
	return bell->quiet < BELL_QUIET;
}

void bell_end_rounds(weir_pool *pool)
{
	int processor = BELL_NOWHERE;
	/* ORDER(announce): seq_cst, before the last look; pairs with the load in ring(): it sees this, or we see its ring. */
	at_store(&pool->bell->watching, 0, seq_cst, announce);
	(void)look_at_lanes(pool, true, &processor);
}

static void *watch(void *argument)
{
	weir_pool *pool = argument;
	struct bell *bell = pool->bell;
	/* Who made us may be bound to the processor that it computes on. */
	pin_anywhere_but(pool->machine, bell->off);
	for (;;) {
		uint32_t ticket = park_ticket(&bell->park);
		/* Relaxed: stored before the wake that ends a wait on this ticket, or seen after it (P1). */
		if (at_load(&bell->stopping, relaxed, none))
			return NULL;
		bell_begin_rounds(pool);
		do
			park_wait(&bell->park, ticket, BELL_ROUND_NS);
		while (bell_go_round(pool) && park_ticket(&bell->park) == ticket);
		bell_end_rounds(pool);
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
	int error = pthread_create(&pool->bell->thread, &attr, watch, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (!error)
		(void)pthread_setname_np(pool->bell->thread, "weir/bell");
	return error;
}

/* What a nice thread makes is as nice, and would go its rounds late. */
static bool is_like_who_made_the_pool(const struct bell *bell)
{
	struct bell_scheduling mine = scheduling_of_caller();
	return mine.policy == bell->scheduling.policy && mine.priority == bell->scheduling.priority &&
	       mine.nice == bell->scheduling.nice;
}

COLD static void make(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	uint32_t none = BELL_NONE;
	if (!is_like_who_made_the_pool(bell) || !at_cas(&bell->state, &none, BELL_BEING_MADE, relaxed, relaxed, none))
		return;
	int error = create_thread(pool);
	if (error)
		LOG(WEIR_LOG_DEBUG, "no thread for a bell (%d): each plain task from outside wakes a worker", error);
	/* ORDER(bell): release, pairs with the acquire in bell_destroy(): what thread it is. */
	at_store(&bell->state, error ? BELL_NEVER : BELL_THERE, release, bell);
}

/* Somebody has the habit: let there be rounds. */
COLD static void begin(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	uint32_t state = at_load(&bell->state, relaxed, none);
	if (state == BELL_NONE)
		make(pool);
	else if (state == BELL_THERE && !at_load(&bell->watching, relaxed, none))
		park_wake(&bell->park);
}

/* Who rings. ----------------------------------------------------------------------------------------------------- */

/* A lane goes on when its thread ends; the next has habits of its own. What the last one rang for is looked at all the same.
 * True: this is the next. */
static bool become_mine(struct intake *in)
{
	struct habit *habit = &in->habit;
	if (likely(habit->whose == thread_serial))
		return false;
	habit->whose = thread_serial;
	habit->alone = 0;
	habit->needed = HABIT_MIN;
	habit->more = false;
	at_store(&habit->missed, 0, relaxed, none);
	return true;
}

static bool ring(weir_pool *pool, struct intake *in)
{
	struct habit *habit = &in->habit;
	/* ORDER(announce): seq_cst, after the call was shown: a round clears it before it looks. */
	if (at_load(&habit->rung, seq_cst, announce)) {
		habit->rang = true;
		return true;
	}
	at_store(&habit->processor, sched_getcpu(), relaxed, none);
	at_store(&habit->rings, at_load(&habit->rings, relaxed, none) + 1, relaxed, none);
	/* ORDER(bell): release, pairs with the exchange in answer_for(): what was shown. ORDER(announce): seq_cst, before the look at who
	 * watches; pairs with look_at_lanes(). */
	at_store(&habit->rung, 1, seq_cst, announce);
	/* ORDER(announce): seq_cst, pairs with the store in bell_end_rounds(). */
	if (!at_load(&pool->bell->watching, seq_cst, announce)) {
		at_store(&habit->rung, 0, relaxed, none);
		/* Who rings that rarely is not worth rounds. */
		habit->alone = 0;
		return false;
	}
	habit->rang = true;
	return true;
}

NOINLINE bool bell_ring(weir_pool *pool, struct intake *in)
{
	struct habit *habit = &in->habit;
	if (unlikely(become_mine(in)))
		return false;
	/* Who looks on and on sees it: then nobody is woken either. A hint. */
	if (worker_self || at_load(&pool->queue[in->node].spinning, relaxed, none))
		return false;
	if (in->pushed == habit->waited + 1)
		return ring(pool, in);
	/* Who does not wait, for longer than a round, may never: it is not to be late again and again. */
	habit->more = !at_load(&habit->missed, relaxed, none);
	habit->alone = 0;
	if (habit->more && route_only_here(pool, in->node) && ring(pool, in))
		return true;
	/* Who is woken now serves what was rung for too. */
	if (habit->rang)
		at_store(&habit->rung, 0, relaxed, none);
	return false;
}

/* Nobody was woken for what we do not run ourselves. */
static void settle(weir_pool *pool, struct intake *in)
{
	struct habit *habit = &in->habit;
	habit->rang = false;
	at_store(&habit->rung, 0, relaxed, none);
	if (at_load(&habit->missed, relaxed, none)) {
		at_store(&habit->missed, 0, relaxed, none);
		habit->alone = 0;
		if (habit->needed < HABIT_MAX)
			habit->needed *= 2;
	}
	if (intake_any(in))
		route_wake(pool, in->node, false);
}

/* It waited for one: again, or a worker was quicker. */
static void count_one(struct habit *habit, bool ran)
{
	if (!ran) {
		habit->alone -= habit->alone < HABIT_SLIP ? habit->alone : HABIT_SLIP;
	} else if (++habit->alone == habit->needed + HABIT_MAX) {
		if (habit->needed > HABIT_MIN)
			habit->needed /= 2;
		habit->alone = habit->needed;
	}
}

void bell_waits(weir_pool *pool, struct intake *in, bool ran)
{
	struct habit *habit = &in->habit;
	(void)become_mine(in);
	uint32_t calls = in->pushed - habit->waited;
	if (calls == 1)
		count_one(habit, ran);
	else if (calls)
		habit->alone = 0;
	/* Rounds are for who rings: what has demands, or was done long ago, is waited for without. */
	bool comes_to_ring = calls == 1 && habit->alone == habit->needed;
	habit->waited = in->pushed;
	habit->more = false;
	if (unlikely(habit->rang))
		settle(pool, in);
	if (unlikely(comes_to_ring)) {
		if (pool->bell)
			begin(pool);
		else
			habit->alone = 0;
	}
}
