/* SPDX-License-Identifier: MIT */
/*
 * route.h - from a grant to a queue, and from the queues to a worker.
 */
#ifndef WEIR_RUNTIME_ROUTE_H
#define WEIR_RUNTIME_ROUTE_H

#include "runtime/pool.h"

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

/* May there be something for this worker? For announce-then-re-check: no false "no". */
bool route_any(struct worker *worker);

/* Take a forked child of one victim. only: of this root alone; NULL: of any that may be helped. */
bool route_take_fork(struct worker *worker, struct worker *victim, const weir_task *only, struct found *found);

/* Whether nobody asks for the forked children of what runs here although somebody could run them: none is public, a worker sleeps,
 * and one more may help. A hint. */
bool route_sleeper_for(struct worker *worker);

/* Wake one idle worker for work that is on `node`; bound: only one of that node. */
void route_wake(weir_pool *pool, uint32_t node, bool bound);

#endif
