/* SPDX-License-Identifier: MIT */
/*
 * group.h - a set of tasks: how many are pending, the first error, who waits, who comes after.
 *
 * Groups live in type-stable slots, so that the task that ends a group may still touch it (wake its waiters) when the
 * first waiter has destroyed it already.
 */
#ifndef WEIR_RUNTIME_GROUP_H
#define WEIR_RUNTIME_GROUP_H

#include <weir/task.h>

#include "private/compiler.h"
#include "runtime/park.h"
#include "runtime/slots.h"

/* The low half of `held`: no task; or, in a group that waits for nobody, GROUP_GO. */
#define GROUP_GO (UINT32_MAX - 1)
#define GROUP_NOBODY UINT32_MAX
#define GROUP_BEFORE_ONE (UINT64_C(1) << 32)

/* The state: tasks, those that stocks are for included; stocks; are no more of them to be taken in this epoch; epoch. */
#define GROUP_PENDING ((UINT64_C(1) << 26) - 1)
#define GROUP_ONE_STOCK (UINT64_C(1) << 26)
#define GROUP_STOCKS (UINT64_C(0x7ff) << 26)
#define GROUP_CLOSED (UINT64_C(1) << 37)
#define GROUP_EPOCH_SHIFT 38

struct successor; /* group.c */
struct wait_edge; /* waits.h */

struct weir_group {
	struct slot_link slot;
	uint32_t index;
	bool alive;
	struct weir_pool *pool;
	_Atomic(int) error;
	_Atomic(uint32_t) cancelled;
	_Atomic(uint64_t) held;	     /* groups that this one still waits for << 32 | number of the newest task held for them;
				      * GROUP_GO if and only if there are no such groups */
	_Atomic(uint32_t) holders;   /* edges into this group behind which somebody holds a grant (waits.c) */
	_Atomic(uint32_t) successor_count;
	_Atomic(struct successor *) successors;
	/* Written often, by who ends tasks and by who submits them: see pending.c. */
	CACHE_ALIGNED _Atomic(uint64_t) state; /* GROUP_...; the epoch counts how often pending came down to 0 */
	struct park done;
	CACHE_ALIGNED _Atomic(uint32_t) ungranted; /* members with a demand and no grant that was told of yet */
	/* Under the pool's waits_lock (waits.c). */
	struct wait_edge *waits; /* what this group waits for */
	weir_group *waits_todo;
	uint32_t waits_in; /* edges into it */
	uint32_t waits_round;
};

static inline uint32_t group_pending(uint64_t state)
{
	return (uint32_t)(state & GROUP_PENDING);
}

static inline uint32_t group_epoch(uint64_t state)
{
	return (uint32_t)(state >> GROUP_EPOCH_SHIFT);
}

static inline uint32_t group_held_task(uint64_t held)
{
	return (uint32_t)held;
}

static inline void group_set_error(weir_group *group, weir_status status)
{
	int none = WEIR_OK;
	at_cas(&group->error, &none, status, relaxed, relaxed, none);
}

#endif
