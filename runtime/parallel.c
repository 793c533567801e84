/* SPDX-License-Identifier: MIT */
/*
 * parallel.c - loops over a range, and functions run from outside; both on fork-join.
 *
 * Holds:     nothing.
 * Not here:  how children are shared (fork.c).
 */
#include <weir/fork.h>

#include "private/error.h"
#include "runtime/waits.h"
#include "runtime/worker.h"

enum { PIECES_PER_WORKER = 8 };

struct loop {
	weir_range_fn fn;
	void *argument;
	int64_t begin;
	int64_t end;
	int64_t grain;
	_Atomic(int) error;
};

static void run_piece(struct loop *loop, int64_t begin, int64_t end)
{
	if (at_load(&loop->error, relaxed, none))
		return;
	weir_status status = loop->fn(begin, end, loop->argument);
	int none = WEIR_OK;
	if (status)
		at_cas(&loop->error, &none, status, relaxed, relaxed, none);
}

/* Halves are forked, the nearer one is run: pieces come in order where nobody steals. */
WEIR_FORK_3(int, split, struct loop *, loop, int64_t, begin, int64_t, end)
{
	if (end - begin <= loop->grain) {
		run_piece(loop, begin, end);
		return 0;
	}
	int64_t middle = begin + (end - begin) / 2;
	WEIR_SPAWN(split, loop, middle, end);
	(void)WEIR_CALL(split, loop, begin, middle);
	return WEIR_JOIN(split);
}

static weir_status run_loop(weir_task *task, void *argument)
{
	(void)task;
	struct loop *loop = argument;
	weir_worker *worker = weir_fork_self();
	(void)split_weir_body(worker, worker->head, loop, loop->begin, loop->end);
	return at_load(&loop->error, relaxed, none);
}

static int64_t auto_grain(const weir_pool *pool, int64_t length)
{
	int64_t pieces = (int64_t)pool->workers * PIECES_PER_WORKER;
	int64_t grain = length / pieces;
	return grain ? grain : 1;
}

weir_status weir_parallel_for(weir_pool *pool, int64_t begin, int64_t end, int64_t grain, weir_range_fn fn,
			      void *argument)
{
	if (!pool || !fn)
		return error_set(WEIR_EINVAL, "pool or fn is NULL");
	if (grain < 0)
		return error_set(WEIR_EINVAL, "grain is %lld: give WEIR_AUTO (0) or more", (long long)grain);
	int64_t length;
	if (end <= begin)
		return WEIR_OK;
	if (__builtin_sub_overflow(end, begin, &length))
		return error_set(WEIR_EINVAL, "the range from %lld to %lld has more than 2^63 - 1 numbers",
				 (long long)begin, (long long)end);
	struct loop loop = {.fn = fn,
			    .argument = argument,
			    .begin = begin,
			    .end = end,
			    .grain = grain ? grain : auto_grain(pool, length)};
	return weir_pool_run(pool, run_loop, &loop, NULL);
}

/* Whatever could forbid the wait comes before the submit: a task that could not be waited for would run when its
 * argument is gone. If a grant is held here, or by who waits for us, there is room at once or the submit answers
 * WEIR_EDEADLK (G3). */
static weir_status run_inside(struct worker *worker, weir_task *self, weir_group *group, weir_task_fn fn,
			      void *argument, const weir_demand *demand)
{
	struct wait_edge edge = {.from = self->group,
				 .to = group,
				 .epoch = group_epoch(at_load(&group->state, relaxed, none)),
				 .grant = worker->grants != 0,
				 .below = worker->waiting};
	weir_status status = waits_register(worker->pool, &edge);
	if (status)
		return status;
	if (worker_block_begin(worker)) {
		status = weir_submit(group, fn, argument, demand);
		if (!status) {
			group_sleep(group);
			status = group_outcome(group);
		}
	} else {
		status = error_set(WEIR_EDEADLK, "%u threads are blocked or stand in already: raise options.spares_max",
				   worker->pool->workers_max);
	}
	worker_block_end(worker);
	waits_forget(worker->pool, &edge);
	return status;
}

weir_status weir_pool_run(weir_pool *pool, weir_task_fn fn, void *argument, const weir_demand *demand)
{
	if (!pool || !fn)
		return error_set(WEIR_EINVAL, "pool or fn is NULL");
	struct worker *worker = worker_self;
	weir_task *self = worker && worker->pool == pool ? at_load(&worker->root, relaxed, none) : NULL;
	if (self && !demand)
		return fn(self, argument);
	weir_group *group;
	weir_status status = weir_group_create(&group, pool);
	if (status)
		return status;
	if (self)
		status = run_inside(worker, self, group, fn, argument, demand);
	else if (!(status = weir_submit(group, fn, argument, demand)))
		status = weir_group_wait(group);
	(void)weir_group_destroy(group);
	return status;
}
