/* SPDX-License-Identifier: MIT */
/*
 * producers.c - intakes: made for threads outside at their first plain task, handed on, and bounded by tasks_max.
 *
 * Holds:     all intakes of a pool, until its end.
 * Invariant: W8  as long as fewer than tasks_max tasks are there, whoever submits gets in; tasks_max is passed at most by what
 *                threads have leave for but have not used.
 * Progress:  lock-free.
 * Not here:  the queue itself (intake.c), who takes from it (route.c).
 *
 * Why W8. A plain task from outside has no slot before a worker runs it, so what is there is what was submitted less what ended,
 * by the pool's tally. To add that up for each task would cost more than the task; so a producer gets leave for some, a quarter
 * of its share of what is left, at most LEAVE_MAX or what its batch wants, and all that anybody has leave for counts. Those who
 * ask at the same time do not see each other's; being quarters of shares these are a quarter of what is left together, for which a
 * group's count has room (options.c): batches that took all they wanted could pass its 26 bits. Ends are added up first, then what
 * was submitted: both only grow, so the difference is not less than what was there between the two. If that says full, it is made
 * again the other way round, and without what is unused: a refusal is true. (What intakes, hands and workers hold cannot be added
 * up: calls go from hand to hand meanwhile, and are missed or met twice.)
 */
#include "runtime/producers.h"

#include <stdlib.h>
#include <string.h>

#include "numa/pin.h"
#include "private/error.h"

enum { LEAVE_MAX = 4096 };

weir_status producers_create(struct producers **out, uint32_t lanes_max, uint32_t tasks_max)
{
	*out = NULL;
	if (tasks_max < THREADS_MAX)
		return WEIR_OK;
	struct producers *producers = aligned_alloc(CACHE_LINE, sizeof(*producers));
	if (!producers)
		return error_set(WEIR_ENOMEM, "no memory for a table of producers");
	memset(producers, 0, sizeof(*producers));
	producers->lanes_max = lanes_max;
	producers->tasks_max = tasks_max;
	producers->all = calloc(lanes_max, sizeof(*producers->all));
	weir_status status = producers->all ? intake_store_create(&producers->store, tasks_max)
					    : error_set(WEIR_ENOMEM, "no memory for %u producers", lanes_max);
	if (status)
		producers_destroy(producers);
	else
		*out = producers;
	return status;
}

void producers_destroy(struct producers *producers)
{
	if (!producers)
		return;
	for (uint32_t i = 0; producers->all && i < producers->lanes_max; i++) {
		struct intake *in = at_load(&producers->all[i], relaxed, none);
		if (!in)
			continue;
		intake_fini(in);
		free(in);
	}
	free(producers->all);
	slots_destroy(producers->store);
	free(producers);
}

/* How many there are. ------------------------------------------------------------------------------------------- */

static struct intake *intake_number(struct producers *producers, uint32_t i)
{
	/* ORDER(intakes): acquire, pairs with the release in make(): it is whole. */
	return at_load(&producers->all[i], acquire, intakes);
}

/* What threads have leave for and have not used. */
static uint64_t unused_leave(struct producers *producers)
{
	uint64_t sum = 0;
	uint32_t made = at_load(&producers->made, relaxed, none);
	for (uint32_t i = 0; i < made && i < producers->lanes_max; i++) {
		struct intake *in = intake_number(producers, i);
		if (!in)
			continue;
		/* ORDER(intake): acquire, so that granted is not older; and what was pushed has been counted (count_calls()). */
		uint32_t pushed = (uint32_t)at_load(&in->tail, acquire, intake);
		sum += at_load(&in->granted, relaxed, none) - pushed;
	}
	return sum;
}

static uint64_t ended(weir_pool *pool)
{
	return tally_sum(&pool->tally, POOL_COMPLETED) + tally_sum(&pool->tally, POOL_FAILED) +
	       tally_sum(&pool->tally, POOL_CANCELLED);
}

/* Not less than there are. */
static uint64_t most_there(weir_pool *pool)
{
	uint64_t leave = unused_leave(pool->producers);
	uint64_t gone = ended(pool);
	return leave + tally_sum(&pool->tally, POOL_SUBMITTED) - gone;
}

/* Not more. */
static uint64_t least_there(weir_pool *pool)
{
	uint64_t submitted = tally_sum(&pool->tally, POOL_SUBMITTED);
	uint64_t gone = ended(pool);
	return submitted > gone ? submitted - gone : 0;
}

bool producers_are_full(weir_pool *pool)
{
	struct producers *producers = pool->producers;
	return producers && at_load(&producers->made, relaxed, none) && least_there(pool) >= producers->tasks_max;
}

/* Leave for more calls. False: tasks_max are there. */
static bool get_leave(weir_pool *pool, struct intake *in, uint32_t wanted)
{
	struct producers *producers = pool->producers;
	uint64_t most = most_there(pool);
	uint32_t leave = 0;
	if (most < producers->tasks_max) {
		uint64_t rest = producers->tasks_max - most;
		uint64_t share = rest / 4 / at_load(&producers->made, relaxed, none);
		uint32_t most_leave = wanted > LEAVE_MAX ? wanted : LEAVE_MAX;
		leave = share < 1 ? 1 : share < most_leave ? (uint32_t)share : most_leave;
	} else if (!in->left && least_there(pool) < producers->tasks_max) {
		leave = 1;
	}
	in->left += leave;
	at_store(&in->granted, in->pushed + in->left, relaxed, none);
	return leave != 0;
}

/* Whose they are. ------------------------------------------------------------------------------------------------ */

static uint32_t choose_node(weir_pool *pool)
{
	uint32_t node = pin_node_of_caller(pool->machine);
	if (node == UINT32_MAX)
		node = at_add(&pool->next_node, 1, relaxed, none) % pool->nodes;
	return pool->queue_of[node];
}

/* One that a thread left behind whose number a worker has now. */
static struct intake *take_over(struct producers *producers)
{
	uint32_t made = at_load(&producers->made, relaxed, none);
	for (uint32_t i = 0; i < made && i < producers->lanes_max; i++) {
		struct intake *in = intake_number(producers, i);
		uint32_t nobody = 0;
		/* ORDER(intake_owner): acquire, pairs with the release in producers_hand_on(): what its last producer left in it. */
		if (in && !at_load(&in->owned, relaxed, none) &&
		    at_cas(&in->owned, &nobody, 1, acquire, relaxed, intake_owner)) {
			intake_waits(in); /* that its last one pushed on and on says nothing of the next */
			return in;
		}
	}
	return NULL;
}

static struct intake *make(weir_pool *pool)
{
	struct producers *producers = pool->producers;
	if (at_load(&producers->made, relaxed, none) >= producers->lanes_max)
		return NULL;
	struct intake *in = aligned_alloc(CACHE_LINE, sizeof(*in));
	if (!in)
		return NULL;
	if (intake_init(in, producers->store, producers->tasks_max, !pool->asymmetric)) {
		free(in);
		return NULL;
	}
	in->node = choose_node(pool);
	at_init(&in->owned, 1);
	/* ORDER(announce): seq_cst, before the first push: a worker that goes to sleep sees that there are intakes, or the push
	 * sees the worker (route_barrier()). */
	uint32_t number = at_add(&producers->made, 1, seq_cst, announce);
	if (number >= producers->lanes_max) {
		at_sub(&producers->made, 1, relaxed, none);
		intake_fini(in);
		free(in);
		return NULL;
	}
	struct node_queues *queue = &pool->queue[in->node];
	/* ORDER(intakes): release, pairs with the acquires of who walks them. ORDER(announce): seq_cst, as above, all of it; and before the
	 * first ring: a last round sees the lane (look_at_lanes(), bell.c). */
	uint32_t place = at_add(&queue->intakes, 1, seq_cst, announce);
	at_store(&producers->all[number], in, seq_cst, intakes);
	at_store(&queue->intake[place], in, seq_cst, announce);
	return in;
}

COLD static struct intake *find_mine(weir_pool *pool)
{
	uint32_t index = thread_index();
	if (index >= THREADS_MAX || !pool_is_here(pool))
		return NULL;
	struct producers *producers = pool->producers;
	struct intake *in = at_load(&producers->mine[index + 1], relaxed, none);
	if (in)
		return in;
	/* ORDER(intake_owner): acquire, pairs with the release in producers_hand_on(): what was given up by then we find. */
	uint64_t handed_on = at_load(&producers->handed_on, acquire, intake_owner);
	if (at_load(&producers->none, relaxed, none) == handed_on + 1)
		return NULL;
	in = take_over(producers);
	if (!in)
		in = make(pool);
	if (!in && at_load(&producers->made, relaxed, none) >= producers->lanes_max)
		at_store(&producers->none, handed_on + 1, relaxed, none);
	at_store(&producers->mine[index + 1], in, relaxed, none);
	return in;
}

bool producers_have_mine(weir_pool *pool)
{
	return pool->producers && find_mine(pool);
}

bool producers_only_mine(weir_pool *pool)
{
	/* ORDER(announce): seq_cst, pairs with make(): who has one from now on looks at the idle after this. */
	return !pool->producers || at_load(&pool->producers->made, seq_cst, announce) <= (producers_mine(pool) != NULL);
}

void producers_hand_on(weir_pool *pool)
{
	uint32_t index = thread_index();
	if (!pool->producers || index >= THREADS_MAX)
		return;
	struct intake *in = at_load(&pool->producers->mine[index + 1], relaxed, none);
	if (!in)
		return;
	at_store(&pool->producers->mine[index + 1], NULL, relaxed, none);
	/* ORDER(intake_owner): release, pairs with the acquire in take_over(). */
	at_store(&in->owned, 0, release, intake_owner);
	/* ORDER(intake_owner): release, pairs with the acquire in find_mine(). */
	at_add(&pool->producers->handed_on, 1, release, intake_owner);
}

/* Those whose producers push nothing now may have what was read long ago. */
COLD static void collect_segments(struct producers *producers)
{
	uint32_t made = at_load(&producers->made, relaxed, none);
	for (uint32_t i = 0; i < made && i < producers->lanes_max; i++) {
		struct intake *in = intake_number(producers, i);
		if (in)
			intake_collect(in);
	}
}

NOINLINE struct intake *producers_ask(weir_pool *pool, uint32_t wanted, bool *full)
{
	*full = false;
	struct producers *producers = pool->producers;
	if (!producers)
		return NULL;
	struct intake *in = at_load(&producers->mine[thread_index_plus_one], relaxed, none);
	if (!in)
		in = find_mine(pool);
	if (!in)
		return NULL;
	if (in->left < wanted && !get_leave(pool, in, wanted - in->left) && !in->left) {
		*full = true;
		return NULL;
	}
	if (likely(intake_open(in)))
		return in;
	if (intake_lacks_segments(in))
		collect_segments(producers);
	return intake_open(in) ? in : NULL;
}
