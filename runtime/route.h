/* SPDX-License-Identifier: MIT */
/*
 * route.h - from a grant to a queue, and from the queues to a worker.
 */
#ifndef WEIR_RUNTIME_ROUTE_H
#define WEIR_RUNTIME_ROUTE_H

#include "runtime/pool.h"

/* One take in so many looks at the inbox before the own deque. */
enum { ROUTE_FAIR_TAKES = 64 };

/* What a worker found: a task, or another worker's forked child. */
struct found {
	weir_task *task;
	weir_fork_slot *fork;
	struct worker *victim; /* of the fork */
	weir_task *root;       /* of the fork */
	uint32_t counted;      /* for task_helper_out() when it is run */
};

/* Make a task READY: put it where a worker of its node, or any worker, finds it, and wake one if one sleeps. Never runs
 * it, never fails. from: the calling worker, NULL outside. */
void route_push(weir_pool *pool, weir_task *task, struct worker *from);

/* The next thing to run: own queues, then near, then far. False: nothing to be had now. */
bool route_take(struct worker *worker, struct found *found);

/* The next call of the own hand, in worker->own. False: none, or it is time for something else: route_take() says what. */
static inline bool route_take_call(struct worker *worker)
{
	struct call call;
	if (!handful_take(&worker->handful, &call))
		return false;
	worker->own.fn = call.fn;
	worker->own.argument = call.argument;
	worker->own.group = call.group;
	return true;
}

static inline bool route_take_next_call(struct worker *worker)
{
	if (unlikely(++worker->takes % ROUTE_FAIR_TAKES == ROUTE_FAIR_TAKES - 1) ||
	    unlikely(at_load(&worker->pool->urgent, relaxed, none)) || unlikely(deque_count(&worker->deque)))
		return false;
	return route_take_call(worker);
}

/* Into the own hand, which is empty: what comes next in an intake, if it is of this group. False: nothing. */
bool route_take_of(struct worker *worker, struct intake *in, const weir_group *group);

/* May there be something for this worker? For announce-then-re-check: no false "no". */
bool route_any(struct worker *worker);

/* Take a forked child of one victim. joined: for who waits for this slot, whose thief the victim was: only if it still is. */
bool route_take_fork(struct worker *worker, struct worker *victim, weir_fork_slot *joined, struct found *found);

/* Whether somebody may run forked children of what this worker runs, or will. A hint. */
static inline bool route_may_ask(const struct worker *victim)
{
	const weir_task *root = at_load(&victim->root, relaxed, none);
	return !root || task_help_left(root);
}

/* Whether nobody asks for the forked children of what runs here although somebody could run them: none is public, a worker sleeps,
 * and one more may help. A hint. */
bool route_sleeper_for(struct worker *worker);
/* Before route_any(): who submits from outside has no barrier between its push and its look at the idle. */
void route_barrier(weir_pool *pool);

/* A hint: is there something of threads outside that this worker's node has not looked at? */
bool route_hint_outside(struct worker *worker);

/* Does anybody sleep? C of the argument in park.h. */
static inline bool route_idle(weir_pool *pool, uint32_t node)
{
	if (idlers_any(&pool->queue[node].idle))
		return true;
	for (uint32_t n = 0; unlikely(pool->nodes > 1) && n < pool->nodes; n++)
		if (pool->queue_of[n] == n && idlers_any(&pool->queue[n].idle))
			return true;
	return false;
}

/* Is the only one who sleeps bound to the processor that we run on, as who could not run before we stop? */
bool route_only_here(weir_pool *pool, uint32_t node);

/* Wake one idle worker for work that is on `node`; bound: only one of that node. */
void route_wake(weir_pool *pool, uint32_t node, bool bound);

/* The same for what somebody else submitted on a processor, by the kernel's number. */
void route_wake_for(weir_pool *pool, uint32_t node, int submitter);

#endif
