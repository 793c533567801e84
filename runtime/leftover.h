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

void leftover_yield_slow(weir_pool *pool, const struct task_need *need);

/* Before a task that holds a grant begins. Two loads where nothing is left over. */
static ALWAYS_INLINE void leftover_yield(weir_pool *pool, const struct task_need *need)
{
	if (unlikely(at_load(&need->memory_left_bytes, relaxed, none)) &&
	    unlikely(arenas_kept(pool->arenas, need_memory_node(pool, need))))
		leftover_yield_slow(pool, need);
}

#endif
