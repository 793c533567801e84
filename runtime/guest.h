/* SPDX-License-Identifier: MIT */
/*
 * guest.h - a thread outside that waits works meanwhile, in the seat of a worker that sleeps (seat.h).
 */
#ifndef WEIR_RUNTIME_GUEST_H
#define WEIR_RUNTIME_GUEST_H

#include "runtime/pool.h"

/* For a pool that has its machine and its queues. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status guests_create(weir_pool *pool);
void guests_destroy(weir_pool *pool);

/* Run a plain task as a call, as if it had been submitted and waited for. False: the calling thread cannot; nothing happened. Else
 * *status is how its group ended. */
bool guest_run(weir_pool *pool, weir_task_fn fn, void *argument, weir_status *status);

/* Before the calling thread, which is outside, waits for the group: run members of it that it submitted itself, while those are
 * next in its intake, and what they submit to the group. Returns with the group done, or with nothing left to run here. */
void guest_help(weir_group *group, uint32_t epoch);

/* The calling thread, which is outside, was about to wait for the group, which is done already. */
void guest_was_late(weir_group *group);

#endif
