/* SPDX-License-Identifier: MIT */
/*
 * parallel.h - loops and functions run across a pool.
 */
#ifndef WEIR_PARALLEL_H
#define WEIR_PARALLEL_H

#include <weir/task.h>

WEIR_BEGIN_DECLS

/* The body gets a piece [begin, end) of the range. Other than WEIR_OK: pieces that have not begun are skipped. */
typedef weir_status (*weir_range_fn)(int64_t begin, int64_t end, void *argument);

#define WEIR_AUTO 0

/* Call fn for pieces that cover [begin, end), each at most `grain` long (WEIR_AUTO: chosen so that every worker has
 * some pieces), and return when all are done. Inside a task it runs within the task's grant, at most weir_task_cores()
 * workers at once where the task has one; the calling task works along.
 * Returns: WEIR_OK, or the first error of a piece. Errors: WEIR_EINVAL, WEIR_ENOMEM, WEIR_ESHUTDOWN. Thread: any. */
WEIR_API weir_status weir_parallel_for(weir_pool *pool, int64_t begin, int64_t end, int64_t grain, weir_range_fn fn,
				       void *argument);

/* Run fn as a task and wait for it: the way into fork-join (fork.h) from outside.
 * Returns: what fn returned, or why it did not run. Thread: any. */
WEIR_API weir_status weir_pool_run(weir_pool *pool, weir_task_fn fn, void *argument, const weir_demand *demand);

WEIR_END_DECLS

#endif
