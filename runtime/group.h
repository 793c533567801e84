/* SPDX-License-Identifier: MIT */
/*
 * group.h - a set of tasks: how many are pending, the first error, who waits, who comes after.
 *
 * Groups live in type-stable slots, so that the task that ends a group may still touch it (wake its waiters) when the first
 * waiter has destroyed it already.
 */
#ifndef WEIR_RUNTIME_GROUP_H
#define WEIR_RUNTIME_GROUP_H

#include <weir/task.h>

#include "runtime/park.h"
#include "runtime/slots.h"

/* The door of a group: before << 32 | held. before: groups that it still waits for; held: tasks that start when that is 0, by
 * number, linked. One word, so that the last group before it and a further one cannot miss each other. */
#define GROUP_GO (UINT32_MAX - 1) /* held, where before is 0 */
#define GROUP_NOBODY UINT32_MAX

/* A group that starts when another is done. */
struct successor {
	struct successor *next;
	weir_group *later;
	uint32_t epoch; /* of the earlier group when it was registered */
};

struct weir_group {
	struct slot_link slot;
	uint32_t index;
	bool alive;
	struct weir_pool *pool;
	_Atomic(uint64_t) state; /* epoch << 32 | pending; the epoch counts how often pending came down to 0 */
	_Atomic(int) error;
	_Atomic(uint32_t) cancelled;
	_Atomic(uint32_t) ungranted; /* members with a demand and no grant yet */
	_Atomic(uint32_t) holders;   /* tasks that hold a grant and wait for this group */
	_Atomic(uint64_t) door;	     /* before << 32 | held */
	_Atomic(uint32_t) successor_count;
	_Atomic(struct successor *) successors;
	struct park done;
};

static inline uint32_t group_pending(uint64_t state)
{
	return (uint32_t)state;
}

static inline uint32_t group_epoch(uint64_t state)
{
	return (uint32_t)(state >> 32);
}

static inline uint32_t door_before(uint64_t door)
{
	return (uint32_t)(door >> 32);
}

static inline uint32_t door_held(uint64_t door)
{
	return (uint32_t)door;
}

static inline void group_set_error(weir_group *group, weir_status status)
{
	int none = WEIR_OK;
	at_cas(&group->error, &none, status, relaxed, relaxed, none);
}

#endif
