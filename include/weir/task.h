/* SPDX-License-Identifier: MIT */
/*
 * task.h - tasks and groups: submit, wait, cancel, chain; and what a running task may ask for.
 */
#ifndef WEIR_TASK_H
#define WEIR_TASK_H

#include <weir/pool.h>

WEIR_BEGIN_DECLS

typedef struct weir_task weir_task;
typedef struct weir_group weir_group;

/* A task's body. What it returns other than WEIR_OK becomes its group's error if it is the first.
 * It ends by returning, never by an exception, longjmp() or pthread_exit(). task: valid until it returns. */
typedef weir_status (*weir_task_fn)(weir_task *task, void *argument);

/* Create a group: a set of tasks that is waited for, cancelled or chained as one.
 * Owns:    *out until weir_group_destroy(). Errors: WEIR_ENOMEM, WEIR_EINVAL. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_group_create(weir_group **out, weir_pool *pool);

/* Free a group, before its pool is destroyed. NULL: nothing happens.
 * Errors:  WEIR_EBUSY while tasks of it are pending, or groups that it comes after. */
WEIR_API weir_status weir_group_destroy(weir_group *group);

/* Submit a task to a group. argument is passed on as it is. demand: copied; NULL: a plain task, which pays nothing for
 * admission. On a plain pool a demand gives class, home and cores, and no room is asked for.
 * So does a demand of no amount at all on any pool. demand->reservation: it starts in the room that was reserved (reserve.h);
 * WEIR_EINVAL on a plain pool.
 * Errors:  WEIR_EINVAL (the demand: the text names the field), WEIR_EINFEASIBLE (more than the limits), WEIR_EFULL
 *          (tasks_max or waiting_max), WEIR_EAGAIN (demand->when_short is WEIR_DEFER or WEIR_FAIL; or, whatever it is, a breaker, a level
 *          or a policy refused: decision.cause of weir_submit_decision() says which), WEIR_ETIME (demand->deadline_ns is nearer than run_ns), WEIR_ESHUTDOWN,
 *          WEIR_ESTALE (demand->reservation is over), WEIR_ECANCELED (the group was cancelled), WEIR_EDEADLK (a task that holds a grant waits for
 *          this group, and this demand has no room now), WEIR_ENOMEM. The task will then not run, and nothing is held
 *          for it. A task that waits and whose wait_ns_max or deadline_ns is over ends without running: WEIR_ETIME is then
 *          its group's error; WEIR_EINFEASIBLE if the limits come down below it.
 * Thread:  any, inside tasks and outside. */
WEIR_API WEIR_MUST_USE weir_status weir_submit(weir_group *group, weir_task_fn fn, void *argument,
					       const weir_demand *demand);

/* The same, with what admission said. Who asks for no room (no demand, one of no amount, a plain pool) is ADMITTED without a
 * grant, or REJECTED: QUEUE_FULL, SHUTDOWN, INVALID; NONE: the group was cancelled. out may be NULL. */
WEIR_API WEIR_MUST_USE weir_status weir_submit_decision(weir_group *group, weir_task_fn fn, void *argument,
							const weir_demand *demand, weir_decision *out);

/* Submit `count` tasks at once: task i gets (char *)base + i * stride, an element of an array if stride is its size; with stride 0
 * all get base. Without a demand, from outside, that costs a fraction of as many weir_submit()s; they may start in any order.
 * demand: each task's own; NULL: plain tasks.
 * taken:   how many were submitted: all of them, or those before the first that was refused; may be NULL.
 * Errors:  as weir_submit(), for the first that was refused; those before it run. WEIR_EINVAL also for a stride of 2^48 or more.
 * Thread:  any, inside tasks and outside. */
WEIR_API WEIR_MUST_USE weir_status weir_submit_batch(weir_group *group, weir_task_fn fn, void *base, size_t stride,
						     size_t count, const weir_demand *demand, size_t *taken);

/* Give the calling thread a queue of its own for the plain tasks that it submits to the pool from outside (a producer lane), so that
 * a submit is a few plain stores. The first weir_submit() does it as well, and without one tasks go by a queue that is shared; this
 * is for who wants it done before, or wants to know. A thread that ends leaves its lane to the next; what is in it runs.
 * Errors:  WEIR_EFULL (options.lanes_max threads have one, or there are more than 1,024 threads, or options.tasks_max is
 *          below 1,024), WEIR_EINVAL (inside a task of the pool). Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_producer_register(weir_pool *pool);

/* Leave it to another thread now. The next plain weir_submit() asks for one again. Errors: WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_producer_unregister(weir_pool *pool);

/* Wait until no task of the group is pending. A worker runs tasks of the group meanwhile, or another thread stands in
 * for it. A thread outside may run those that it submitted to the group itself, without a demand, on its own stack, in place of
 * a worker that sleeps (options.no_guests): so let it hold no lock that they want.
 * Returns: the first error of the group, WEIR_ECANCELED if it was cancelled and no task failed before, WEIR_OK.
 * Errors:  WEIR_EDEADLK: the group is the caller's own, or waits for it, directly or by others; or the caller holds a
 *          grant, or is waited for by who holds one, and tasks of the group still wait for theirs; or spares_max
 *          threads are blocked already. The group is then not done. WEIR_EINVAL: it was destroyed.
 * Thread:  any, many at once. */
WEIR_API weir_status weir_group_wait(weir_group *group);

/* Cancel: tasks that have not started will not (they count as cancelled), running ones may ask weir_task_cancelled().
 * Later submits answer WEIR_ECANCELED until weir_group_reset(). Thread: any. */
WEIR_API void weir_group_cancel(weir_group *group);
WEIR_API bool weir_group_cancelled(const weir_group *group);

/* Forget the error and the cancellation. Errors: WEIR_EBUSY while tasks are pending. */
WEIR_API weir_status weir_group_reset(weir_group *group);

/* Cancel one task that waits for room, or for the groups before its own: by decision.ticket of weir_submit_decision(). WEIR_OK:
 * it will never run; it counts as cancelled, and its group's error is WEIR_ECANCELED if it is the first: WEIR_OK of a group
 * says that all its tasks ran.
 * Errors:  WEIR_ESTALE: it does not wait any more, or the groups before its own are done and it asks for room at this moment.
 *          WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_task_cancel(weir_pool *pool, uint64_t ticket);

/* `later` starts when the tasks that `first` has now are done: until then its tasks, submitted from now on, are kept
 * back. Several calls add up. A task that is kept back and then refused (no room in the waiting room, shut down) ends
 * without running and shows as the group's error. An error in `first` does not hold `later` up (ask weir_group_wait());
 * cancelling `first` neither.
 * Errors:  WEIR_EINVAL (the same group, another pool, `later` has pending tasks), WEIR_EDEADLK (`first` waits for
 *          `later`, directly or by others), WEIR_ENOMEM. Thread: any. */
WEIR_API weir_status weir_group_after(weir_group *later, weir_group *first);

/* Tasks that are pending: submitted and not done. 0 says that all are done. Exact at rest; while tasks begin and end it may count
 * some that have ended since. Who wants to know often costs those who submit time: they count in steps otherwise. */
WEIR_API uint64_t weir_group_pending(const weir_group *group);

/* Inside a task. ------------------------------------------------------------------------------------------------ */

/* Memory on the task's node, charged to its grant (in steps of 64 bytes), freed when the task ends.
 * NULL: past the grant's memory, or the host has none. On a plain pool, or without a demand, there is no limit.
 * Aligned to 64 bytes; not zeroed. Never free() it. A block of more than 32 KiB that an ended task left is had without a lock, and so is its
 * end; a new one is mapped by the kernel, and a task that finds no room has what is left purged, which may wait for another purge.
 * Thread:  the task's own and its forked children's. */
WEIR_API void *weir_task_alloc(weir_task *task, size_t bytes);

/* Say how much memory the task uses by other means than weir_task_alloc(): in all, until it says otherwise or ends. weir does not
 * see malloc(). Nothing is taken or refused by it: it is counted against the task's grant where the largest over-user is named
 * (weir_level_change). Thread: the task's own and its forked children's. */
WEIR_API void weir_task_declare(weir_task *task, uint64_t bytes);

/* How many cores it was granted, rounded up; 1 without a demand. */
WEIR_API uint32_t weir_task_cores(const weir_task *task);

/* Give back part of what the task holds: from now on it holds `to`, and weir_task_cores() and weir_task_alloc() follow. Fewer
 * cores: helpers of its forked children that are too many stay until their child is done.
 * Errors:  WEIR_EINVAL (more than it holds, less memory than weir_task_alloc() gave out, or no grant), WEIR_EBUSY (another
 *          thread is at it). Nothing changes then. Thread: the task's own and its forked children's. */
WEIR_API weir_status weir_task_shrink(weir_task *task, const weir_amount *to);

/* Take more on top of what the task holds, on its nodes, if there is room at this moment.
 * Errors:  WEIR_EAGAIN (no room now, or it is kept for others), WEIR_EINFEASIBLE (never, by the limits), WEIR_EINVAL,
 *          WEIR_EBUSY. Nothing changes then. Thread: as for weir_task_shrink(). */
WEIR_API WEIR_MUST_USE weir_status weir_task_grow(weir_task *task, const weir_amount *by);

/* The node it runs on; and the one its memory is on. */
WEIR_API uint32_t weir_task_node(const weir_task *task);
WEIR_API uint32_t weir_task_memory_node(const weir_task *task);

/* Its grant; zero without one. */
WEIR_API weir_grant weir_task_grant(const weir_task *task);

/* Was its group cancelled? */
WEIR_API bool weir_task_cancelled(const weir_task *task);

/* The task that this thread runs; NULL outside. */
WEIR_API weir_task *weir_task_self(void);

/* Around something that blocks outside weir's sight (a lock, I/O, MPI): another thread stands in for the worker.
 * Outside tasks they do nothing. They nest. The grant is kept. */
WEIR_API void weir_blocking_begin(void);
WEIR_API void weir_blocking_end(void);

WEIR_END_DECLS

#endif
