/* SPDX-License-Identifier: MIT */
/* leftover.h - pages of tasks that ended make way for tasks that begin. */
#ifndef WEIR_RUNTIME_LEFTOVER_H
#define WEIR_RUNTIME_LEFTOVER_H

#include "private/compiler.h"
#include "runtime/pool.h"

void leftover_yield_slow(weir_pool *pool, const struct task_need *need);

/* Before a task that holds a grant begins. Two loads where nothing is left over. */
static ALWAYS_INLINE void leftover_yield(weir_pool *pool, const struct task_need *need)
{
	if (at_load(&need->memory_left_bytes, relaxed, none) && unlikely(arenas_kept(pool->arenas, need->memory_node)))
		leftover_yield_slow(pool, need);
}

#endif
