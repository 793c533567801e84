/* SPDX-License-Identifier: MIT */
/*
 * task.c - the memory that a task takes and that ends with it.
 *
 * Holds:     per task, a list of blocks; forked children push to it at the same time, only the end of the task walks
 *            it.
 * Not here:  what of it the grant allows (inside.c), who runs the task (worker.c).
 */
#include "runtime/task.h"

#include "private/atomics.h"

void *task_add_block(struct weir_task *task, struct arenas *arenas, uint32_t node, size_t bytes)
{
	size_t all;
	if (__builtin_add_overflow(bytes, sizeof(struct task_block), &all))
		return NULL;
	struct task_block *block = arenas_alloc(arenas, node, all);
	if (!block)
		return NULL;
	block->bytes = all;
	block->node = node;
	block->next = at_load(&task->blocks, relaxed, none);
	/* ORDER(blocks): release, pairs with the acquire in task_free_blocks(). */
	while (!at_cas_weak(&task->blocks, &block->next, block, release, relaxed, blocks))
		;
	return block + 1;
}

void task_free_blocks(struct weir_task *task, struct arenas *arenas)
{
	/* ORDER(blocks): acquire, pairs with the release in task_add_block(). */
	struct task_block *block = at_load(&task->blocks, acquire, blocks);
	uint32_t node = block->node;
	uint64_t freed = 0;
	while (block) {
		struct task_block *next = block->next;
		freed += arenas_free(arenas, block->node, block, block->bytes);
		block = next;
	}
	arenas_count_freed(arenas, node, freed);
	at_store(&task->blocks, NULL, relaxed, none);
}
