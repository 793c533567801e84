/* SPDX-License-Identifier: MIT */
/*
 * parallel.c - loops over a range, and functions run from outside.
 *
 * Holds:     nothing.
 * Not here:  how a range is divided (spans.c), how children are shared (fork.c).
 */
#include "private/error.h"
#include "runtime/guest.h"
#include "runtime/spans.h"
#include "runtime/waits.h"

static weir_status run_loop(weir_task *task, void *argument)
{
	(void)task;
	struct ranging *loop = argument;
	struct worker *worker = worker_self;
	span_walk(worker, worker->forks.face.head, loop, loop->begin, loop->end, NULL);
	return at_load(&loop->error, relaxed, none);
}

weir_status weir_parallel_for(weir_pool *pool, int64_t begin, int64_t end, int64_t grain, weir_range_fn fn,
			      void *argument)
{
	if (!pool || !fn)
		return error_set(WEIR_EINVAL, "pool or fn is NULL");
	int64_t length;
	weir_status status = span_check(begin, end, grain, &length);
	if (status || !length)
		return status;
	struct ranging loop = {.fn = fn,
			       .argument = argument,
			       .begin = begin,
			       .end = end,
			       .grain = grain ? grain : span_auto_grain(pool, length)};
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
	weir_status status;
	if (!worker && !demand && guest_run(pool, fn, argument, &status))
		return status;
	status = weir_group_create(&group, pool);
	if (status)
		return status;
	if (self)
		status = run_inside(worker, self, group, fn, argument, demand);
	else if (!(status = weir_submit(group, fn, argument, demand)))
		status = weir_group_wait(group);
	(void)weir_group_destroy(group);
	return status;
}
