/* SPDX-License-Identifier: MIT */
/*
 * worker.h - the threads that run tasks.
 */
#ifndef WEIR_RUNTIME_WORKER_H
#define WEIR_RUNTIME_WORKER_H

#include "runtime/pending.h"
#include "runtime/route.h"

/* Create a worker of a node and start its thread. core: of the node, PIN_ALL_CORES for a stand-in. Errors: WEIR_EFULL
 * (workers_max), WEIR_ENOMEM, WEIR_ESYSTEM. */
weir_status worker_create(weir_pool *pool, uint32_t node, uint32_t core);

/* Stop all workers of a pool in which nothing is left to do, and free them. */
void workers_stop(weir_pool *pool);

/* Run a task to its end on the calling worker, inside whatever it runs now. */
void worker_run(struct worker *worker, weir_task *task);

/* fork.c. A spawn at or above `limit`: serve a request. True: no slot is left. After a false one the caller fills the slot, and calls
 * again with head + 1. */
bool fork_attend(struct worker *worker, weir_fork_slot *head);

/* fork.c. A join below `guard`. NULL: the child is the caller's to run; else the child's result. */
void *fork_join(struct worker *worker, weir_fork_slot *slot);

/* fork.c: the slow paths of <weir/fork.h>, and fork_entry.c: the ways into them, for inlined code to find in its worker. */
void fork_spawn_slow(weir_worker *face, weir_fork_slot *head);
void *fork_join_slow(weir_worker *face, weir_fork_slot *slot);
void fork_entries(weir_worker *face);

/* calls.c: run the call in worker->own, and those of the hand after it while nothing else comes first. */
void worker_run_calls(struct worker *worker);

/* Run what route_take() found. */
void worker_run_found(struct worker *worker, const struct found *found);

/* The calling task is going to block: somebody stands in. False: nobody can (spares_max); then the caller may block all
 * the same, or not. Nests. */
bool worker_block_begin(struct worker *worker);
void worker_block_end(struct worker *worker);

/* Sleep until a wake after the ticket, in a join. Its thief may block, having lent its seat to us, or to who rests since we are
 * one too many: so while somebody blocks, a seat that sleeps is lent, and at any time one that is too many is given up. */
void worker_sleep_in_join(struct worker *worker, uint32_t ticket);

/* Settle a task: give back what it holds, tell its group, start who waited for that room. ran: its status counts. */
void task_settle(weir_pool *pool, weir_task *task, bool ran, weir_status status);

/* A waiter was granted or cancelled: its task goes to a queue, or to its end. */
void task_decided(struct waiter *waiter);

/* group.c: keep a task until the groups before its own are done. False: there are none, it may start. */
bool group_hold(weir_group *group, weir_task *task);

/* group.c: sleep until the tasks that the group has now are done. For who has a stand-in. */
void group_sleep(weir_group *group);

/* group.c: what follows when the last task was counted out: who waits wakes, who comes after starts. */
void group_ended(weir_group *group);

/* group.c: how a group ended, with the text: its first error, WEIR_ECANCELED, WEIR_OK. */
weir_status group_outcome(const weir_group *group);

/* After something was made public: wake an idle worker, and who waits for the children of others that run here. False: nothing is
 * public. */
bool worker_wake_helpers(struct worker *worker);

/* Make what the running task has forked public: its worker does something else for a while, or somebody is short of work. */
void worker_share(struct worker *worker);

/* idle.c: nothing to do: look on, then sleep, as the policy has it. True: found something. */
bool worker_idle(struct worker *worker, struct found *found);

/* Is any worker awake, or lent? */
bool worker_anyone_runs(weir_pool *pool);

/* If somebody sleeps and nobody looks for private work now and then, ask all that are awake for some. */
void worker_ask_for_sleepers(weir_pool *pool);

/* The worker is not the one any more that looks for private work now and then. False: it was not. */
bool worker_stop_searching(struct worker *worker);

/* Join what was forked above head and not joined. */
void worker_join_rest(struct worker *worker, const weir_fork_slot *head);

/* submit.c's verb for tasks that group.c held back: ask admission, then route. */
void task_start(weir_pool *pool, weir_task *task);

/* inside.c: the running task whose use is furthest above its grant; context: the pool. False: none. */
bool inside_largest(void *context, weir_over_user *out);

#endif
