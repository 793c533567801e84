/* SPDX-License-Identifier: MIT */
/*
 * calls.c - plain tasks from outside, run one after another without ever being tasks of their own.
 *
 * Holds:     nothing; runs in worker->own.
 * Invariant: W1  of worker.c.
 * Progress:  as worker.c.
 * Not here:  which call is next (route.h), all other tasks (worker.c).
 */
#include "runtime/route.h"
#include "runtime/worker.h"

/* What run_one() and settle() do for a task that is no more than a call. */
static inline weir_status run_call(struct worker *worker, weir_task *task)
{
	weir_fork_slot *head = worker->task_head;
	weir_status status = task->fn(task, task->argument);
	while (unlikely(worker->blocked))
		worker_block_end(worker); /* the task forgot weir_blocking_end() */
	worker_join_rest(worker, head);
	if (unlikely(at_load(&task->blocks, relaxed, none)))
		task_free_blocks(task, worker->pool->arenas);
	return status;
}

/* Run the call in worker->own, then those of its hand, while nothing else comes first. */
void worker_run_calls(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	weir_task *task = &worker->own;
	CHECK("W1", !at_load(&worker->root, relaxed, none));
	/* Relaxed: as in run_one(). */
	at_store(&worker->root, task, relaxed, none);
	worker->task_head = worker->forks.face.head;
	do {
		weir_group *group = task->group;
		worker_tell_others(worker, group);
		bool ran = likely(!task_is_cancelled(task));
		weir_status status = ran ? run_call(worker, task) : WEIR_ECANCELED;
		if (unlikely(status))
			group_set_error(group, status);
		tally_add(&pool->tally, !ran ? POOL_CANCELLED : status ? POOL_FAILED : POOL_COMPLETED, 1);
		group_task_ended(worker, group);
	} while (route_take_next_call(worker));
	at_store(&worker->root, NULL, relaxed, none);
}
