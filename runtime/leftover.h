/* SPDX-License-Identifier: MIT */
/* leftover.h - pages of tasks that ended make way for tasks that begin. */
#ifndef WEIR_RUNTIME_LEFTOVER_H
#define WEIR_RUNTIME_LEFTOVER_H

#include "private/compiler.h"
#include "runtime/pool.h"

/* A pool that has had nothing to do for that long gives its pages back. */
#define LEFTOVER_IDLE_NS (100 * WEIR_NS_PER_MS)

/* The most that free blocks hold, on all nodes: it is in use, and no task's; and give it back to the kernel. */
uint64_t leftover_bytes(const weir_pool *pool);
void leftover_clear(weir_pool *pool);

/* Limits have become less. */
void leftover_trim(weir_pool *pool);

void leftover_yield_slow(weir_pool *pool, const struct task_need *need);

/* Where a total binds, what is kept on any node stands in a task's room: is there any? */
bool leftover_in_all(const weir_pool *pool);

/* A task that holds a grant is about to use memory of it. */
static ALWAYS_INLINE void leftover_yield(weir_pool *pool, const struct task_need *need)
{
	if (unlikely(arenas_kept(pool->arenas, need_memory_node(pool, need))) ||
	    (unlikely(pool->nodes > 1) && unlikely(leftover_in_all(pool))))
		leftover_yield_slow(pool, need);
}

/* Before a task that holds a grant begins. */
static ALWAYS_INLINE void leftover_begin(weir_pool *pool, struct task_need *need)
{
	if (!need->undrawn || need->draws)
		return;
	need->undrawn = false;
	tally_add(&pool->undrawn, need_memory_node(pool, need), -at_load(&need->memory_left_bytes, relaxed, none));
	/* Then what is kept: unused_bytes() has barriers put between the two. */
	at_signal_fence();
	leftover_yield(pool, need);
}

/* More of a task's memory is not in use yet (a negative number: is in use from now on), if its memory is counted so. */
static inline void leftover_count(weir_pool *pool, const struct task_need *need, uint64_t bytes)
{
	if (need->undrawn)
		tally_add(&pool->undrawn, need_memory_node(pool, need), bytes);
}

/* Before room of a task that it does not use goes back. */
void leftover_give_back(weir_pool *pool, const struct task_need *need, uint64_t bytes);

static ALWAYS_INLINE void leftover_end(weir_pool *pool, struct task_need *need)
{
	if (need->undrawn)
		leftover_give_back(pool, need, at_load(&need->memory_left_bytes, relaxed, none));
}

#endif
