/* SPDX-License-Identifier: MIT */
/*
 * resize.c - what a task may use follows what its grant holds.
 *
 * Holds:     nothing.
 * Invariant: W7  a task's blocks are never more than its grant's memory.
 * Not here:  what a task may ask for besides (inside.c).
 */
#include "runtime/worker.h"

static uint32_t whole_cores(const struct limits *limits, uint64_t main)
{
	uint32_t per_core = limits->units.per_core;
	uint32_t cores = (word_get(main, WEIR_CPU) + per_core - 1) / per_core;
	return cores ? cores : 1;
}

void task_measure(weir_pool *pool, weir_task *task)
{
	struct task_need *need = task->need;
	const struct limits *limits = &pool->tracker->ledger.limits;
	struct book_record record;
	if (book_read(pool->tracker->book, need->waiter.grant, &record))
		return;
	at_store(&need->cores, whole_cores(limits, record.main), relaxed, none);
	if (need->waiter.wish.elastic.more[WEIR_MEMORY])
		at_store(&need->memory_left_bytes, word_get(record.main, WEIR_MEMORY) * limits->units.memory_bytes,
			 relaxed, none);
}
