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
 * only where room is spare, or granted and not in use: to a task that has not begun, or that draws its memory by
 * weir_task_alloc() alone (demand.memory_drawn) and has not yet. Who begins, or draws, looks, and purges what is too much.
 *
 * A task that grows looks as well. Why a look as a task begins is enough: a task that ends counts its blocks as free before
 * it gives its grant back, so E5's sum does not grow by that. It grows as a task begins, and that task's grant is no longer
 * spare by then. If room that it was granted came from a task that ended, that task's count happened before. All that ends
 * meanwhile stands in the sum with its grant, or is counted as free, or both: if what is spare is read before what is kept.
 * A task that draws takes it off first, then gets a block, out of free pages if there are any, then looks, then has the block. Who
 * purges meanwhile looks again what may stay: that block's pages are kept no more, and its task may not have come to look yet.
 *
 * What is granted and not in use is a sum over threads, without a locked instruction (pool->undrawn). Who begins
 * takes its own off, then looks at what is kept; who needs the sum has a barrier put into every thread before: of two that begin
 * at once, one sees the other. It is read before what is spare, as a grant is taken first and counted then. Only what goes back
 * without having been used goes the other way; that is numbered, and while it happens the sum is not used.
 */
#include "runtime/leftover.h"

#include "private/atomics.h"
#include "private/membarrier.h"
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
		arenas_purge(pool->arenas, n, 0);
}

/* What is granted to tasks that have not begun, in the room of word w; 0 if that is not known. */
static uint64_t undrawn_bytes(weir_pool *pool, uint32_t w)
{
	if (w != LEDGER_TOTAL)
		return tally_sum(&pool->undrawn, w - LEDGER_FIRST_NODE);
	uint64_t sum = 0;
	for (uint32_t n = 0; n < pool->nodes; n++)
		sum += tally_sum(&pool->undrawn, n);
	return sum;
}

/* Room that no task uses which has begun. A lower bound, of what is seen of others. */
static uint64_t unused_seen(weir_pool *pool, uint32_t w)
{
	const struct ledger *ledger = &pool->tracker->ledger;
	if (!pool->asymmetric)
		return spare_bytes(ledger, w);
	/* ORDER(undrawn_ended): acquire, pairs with the release in leftover_end(): it was taken off the sum before. */
	uint32_t ended = at_load(&pool->undrawn_ended, acquire, undrawn_ended);
	int64_t undrawn = (int64_t)undrawn_bytes(pool, w);
	uint64_t spare = spare_bytes(ledger, w);
	/* Negative: somebody counted on one thread and took off on another while we summed. What is spare was read by acquire: whose
	 * grant is in it is numbered. */
	bool known = undrawn > 0 && at_load(&pool->undrawn_ended, relaxed, none) == ended;
	return spare + (known ? (uint64_t)undrawn : 0);
}

/* Of all that began or drew before. */
static uint64_t unused_bytes(weir_pool *pool, uint32_t w)
{
	if (pool->asymmetric)
		membarrier_all();
	return unused_seen(pool, w);
}

/* What is spare is read first: who ends between the two reads has what it leaves counted, and not its grant. The other way round its
 * grant would be counted and what it leaves not. */
static bool fits(const weir_pool *pool, const struct ledger *ledger, uint32_t node)
{
	uint64_t spare = spare_bytes(ledger, LEDGER_FIRST_NODE + node);
	return arenas_kept(pool->arenas, node) <= spare;
}

static bool total_binds(const struct ledger *ledger)
{
	return ledger->limits.total_mask.main & word_mask(WEIR_MEMORY);
}

bool leftover_in_all(const weir_pool *pool)
{
	return total_binds(&pool->tracker->ledger) && leftover_bytes(pool);
}

static bool fits_in_all(const weir_pool *pool, const struct ledger *ledger)
{
	if (!total_binds(ledger))
		return true;
	uint64_t spare = spare_bytes(ledger, LEDGER_TOTAL);
	return leftover_bytes(pool) <= spare;
}

static void yield_on(weir_pool *pool, const struct ledger *ledger, uint32_t node)
{
	if (fits(pool, ledger, node))
		return;
	uint64_t most = unused_bytes(pool, LEDGER_FIRST_NODE + node), before;
	do {
		arenas_purge(pool->arenas, node, most);
		before = most;
		/* Who drew out of what is kept meanwhile made it less, and took it off before: that is seen here without barriers. */
	} while ((most = unused_seen(pool, LEDGER_FIRST_NODE + node)) < before);
}

static void purge_in_all(weir_pool *pool, uint64_t most)
{
	for (uint32_t n = 0; n < pool->nodes; n++) {
		uint64_t all = leftover_bytes(pool), here = arenas_kept(pool->arenas, n);
		if (all <= most)
			return;
		arenas_purge(pool->arenas, n, here > all - most ? here - (all - most) : 0);
	}
}

/* Where a total binds, what is kept on any node stands in its room. */
static void yield_in_all(weir_pool *pool, const struct ledger *ledger)
{
	if (fits_in_all(pool, ledger))
		return;
	uint64_t most = unused_bytes(pool, LEDGER_TOTAL), before;
	do {
		purge_in_all(pool, most);
		before = most;
	} while ((most = unused_seen(pool, LEDGER_TOTAL)) < before);
}

void leftover_yield_slow(weir_pool *pool, const struct task_need *need)
{
	const struct ledger *ledger = &pool->tracker->ledger;
	yield_on(pool, ledger, need_memory_node(pool, need));
	yield_in_all(pool, ledger);
}

void leftover_trim(weir_pool *pool)
{
	const struct ledger *ledger = &pool->tracker->ledger;
	for (uint32_t n = 0; n < pool->nodes; n++)
		yield_on(pool, ledger, n);
	yield_in_all(pool, ledger);
}

void leftover_give_back(weir_pool *pool, const struct task_need *need, uint64_t bytes)
{
	tally_add(&pool->undrawn, need_memory_node(pool, need), -bytes);
	/* ORDER(undrawn_ended): release, pairs with the acquire in unused_bytes(). */
	at_add(&pool->undrawn_ended, 1, release, undrawn_ended);
}
