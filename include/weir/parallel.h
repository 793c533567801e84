/* SPDX-License-Identifier: MIT */
/*
 * parallel.h - loops, sums and functions run across a pool.
 */
#ifndef WEIR_PARALLEL_H
#define WEIR_PARALLEL_H

#include <weir/task.h>

WEIR_BEGIN_DECLS

/* The body gets a piece [begin, end) of the range. Other than WEIR_OK: pieces that have not begun are skipped. */
typedef weir_status (*weir_range_fn)(int64_t begin, int64_t end, void *argument);

#define WEIR_AUTO 0

/* Call fn for pieces that together are [begin, end), and return when all are done. grain: the smallest piece worth handing
 * to another worker, in iterations. No piece is shorter, unless the whole range is; pieces grow while nobody is short of
 * work: who has a range looks between two pieces whether somebody is, and hands on half of what is left. So a small
 * grain costs little, and where bodies differ in length it evens them out. WEIR_AUTO: 1/256 of a worker's share.
 * Inside a task it runs within the task's grant, at most weir_task_cores() workers at once where the task has one; the
 * calling task works along. A piece is as a task: it may fork, block and wait, and joins what it forked. Cancelling the
 * group around it does not end a loop: ask weir_task_cancelled().
 * From outside the caller works along too, on its own stack, in place of a worker that sleeps, if there is one (options.no_guests).
 * Returns: WEIR_OK, or the first error of a piece. Errors: WEIR_EINVAL; from outside a task also WEIR_ENOMEM, WEIR_EFULL
 *          (options.tasks_max), WEIR_ESHUTDOWN, WEIR_ECANCELED (the pool was shut down so). Thread: any. */
WEIR_API weir_status weir_parallel_for(weir_pool *pool, int64_t begin, int64_t end, int64_t grain, weir_range_fn fn,
				       void *argument);

/* Accumulators are any bytes, copied by memcpy() from the identity. */
#define WEIR_ACCUMULATOR_BYTES_MAX ((size_t)1 << 20)

/* Add [begin, end) to the accumulator, behind what is in it. Other than WEIR_OK ends the reduction. */
typedef weir_status (*weir_fold_fn)(int64_t begin, int64_t end, void *accumulator, void *argument);

/* accumulator becomes what it was, and behind it what `right` holds. */
typedef void (*weir_combine_fn)(void *accumulator, const void *right, void *argument);

typedef struct weir_reduction {
	size_t size;
	const void *identity; /* an accumulator with nothing in it */
	size_t bytes;	      /* of an accumulator, 1 to WEIR_ACCUMULATOR_BYTES_MAX; they are aligned to 64 */
	weir_fold_fn fold;
	weir_combine_fn combine; /* associative; it need not be commutative: neighbours are combined, left with right */
	void *argument;		 /* of both */
	int64_t grain;		 /* as in weir_parallel_for() */
	/* The same pieces, combined in the same order, whatever the workers and whoever is fast: so the same result to the
	 * last bit, of floating point numbers too. Pieces are then `grain` long (WEIR_AUTO: 1/1024 of the range), the last one
	 * may be shorter, each begins with the identity, and they are combined as the leaves of a binary tree in which the
	 * left half of n has n / 2. */
	bool deterministic;
} weir_reduction;

#define WEIR_REDUCTION(...) WEIR_LITERAL_(weir_reduction, .size = sizeof(weir_reduction), __VA_ARGS__)

/* Fold a range in pieces and combine them, within grants as weir_parallel_for(). An empty range gives the identity.
 * how:     copied. result: how->bytes long, written only with WEIR_OK.
 * Memory:  one accumulator more for each piece of the range that another worker has at the moment; with `deterministic` as
 *          many for each as the tree is high.
 * Returns: WEIR_OK, or the first error of a piece. Errors: WEIR_EINVAL (the text names the field), WEIR_ENOMEM, and
 *          those of weir_parallel_for(). The caller works along as there. Thread: any. */
WEIR_API weir_status weir_parallel_reduce(weir_pool *pool, int64_t begin, int64_t end, const weir_reduction *how,
					  void *result);

/* Run fn as a task and wait for it: the way into fork-join (fork.h) from outside. Inside a task of the pool,
 * without a demand, it is called at once; and by the calling thread too where that is outside and takes the place of a worker that
 * sleeps (options.no_guests), whose worker it is meanwhile, and not to be cancelled (pthread_cancel()) before that is over.
 * Returns: what fn returned, or why it did not run. Thread: any. */
WEIR_API weir_status weir_pool_run(weir_pool *pool, weir_task_fn fn, void *argument, const weir_demand *demand);

WEIR_END_DECLS

#endif
