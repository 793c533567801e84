/* SPDX-License-Identifier: MIT */
/*
 * leftover.c - pages of tasks that ended make way for tasks that begin.
 *
 * Holds:     nothing; the arenas count what they keep (numa/arena.c), the ledger what is spare.
 * Invariant: E5  pages of free blocks + memory of the tasks that have begun <= the node's limit, and the total's.
 * Progress:  a lock and a system call where pages go back; else nothing.
 * Not here:  what a task may draw (inside.c), small blocks that threads cache (numa/arena.c).
 *
 * Free blocks keep their pages, so that the next task need not fault them in again; but the kernel counts them, and who
 * is granted the room that they were drawn from must find it empty: it may use it by malloc() as well. So pages may stay
 * only where room is spare, and who begins looks.
 *
 * A task that grows looks as well. Why a look as a task begins is enough: a task that ends counts its blocks as free before
 * it gives its grant back, so E5's sum does not grow by that. It grows as a task begins, and that task's grant is no longer
 * spare by then. If room
 * that it was granted came from a task that ended, that task's count happened before. All that ends meanwhile stands in
 * the sum with its grant, or is counted as free, or both.
 */
#include "runtime/leftover.h"

#include "private/atomics.h"
#include "runtime/ledger.h"
#include "runtime/tracker.h"

static uint64_t spare_bytes(const struct ledger *ledger, uint32_t w)
{
	/* ORDER(ledger): acquire, pairs with the release in ledger_give_at_once(): what was given is counted as free. */
	uint64_t spare = at_load(&ledger->word[w].spare, acquire, ledger);
	uint64_t units = word_get(spare, WEIR_MEMORY), owed = word_get(ledger_word_debt(ledger, w), WEIR_MEMORY);
	return (units > owed ? units - owed : 0) * ledger->limits.units.memory_bytes;
}

uint64_t leftover_bytes(const weir_pool *pool)
{
	uint64_t kept = 0;
	for (uint32_t n = 0; n < pool->nodes; n++)
		kept += arenas_kept(pool->arenas, n);
	return kept;
}

void leftover_clear(weir_pool *pool)
{
	for (uint32_t n = 0; n < pool->nodes; n++)
		arenas_purge(pool->arenas, n);
}

static bool too_much_in_all(const weir_pool *pool, const struct ledger *ledger)
{
	if (!(ledger->limits.total_mask.main & word_mask(WEIR_MEMORY)))
		return false;
	uint64_t spare = spare_bytes(ledger, LEDGER_TOTAL);
	return leftover_bytes(pool) > spare;
}

void leftover_yield_slow(weir_pool *pool, const struct task_need *need)
{
	const struct ledger *ledger = &pool->tracker->ledger;
	uint32_t node = need_memory_node(pool, need);
	uint64_t spare = spare_bytes(ledger, LEDGER_FIRST_NODE + node);
	if (arenas_kept(pool->arenas, node) > spare)
		arenas_purge(pool->arenas, node);
	if (unlikely(too_much_in_all(pool, ledger)))
		leftover_clear(pool);
}
