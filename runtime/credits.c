/* SPDX-License-Identifier: MIT */
/*
 * credits.c - room that threads keep at hand, and how it is recalled.
 *
 * Holds:     a credit for each thread number that takes for itself; the stock of each node; the mode.
 * Invariant: K2  units <= quota in every credit, and the quotas and what is left of the stock are the stock: all credits
 *                together never hold more than an eighth of a limit.
 *            K3  while the mode is ON every credit is empty, and nothing of one is on its way to the ledger.
 *            L2  spare + credits + live grants == limit, at rest.
 * Progress:  take and give from a credit are wait-free. Nobody waits for a recall: who finds another at it says
 *            "contended".
 * Together:  everything but init and fini.
 * Not here:  who waits (kick.c), who is refused (tracker.h).
 *
 *	owner	busy							recall	OFF -> RECALLING
 *		attention 0?  then kept -/+= amounts				attention of every cache + 1 (not 0)
 *		busy = 0 (release)						a barrier in all threads
 *		attention 0 or kept 0?  else flush:				for each cache:
 *		   busy; kept -> ledger; busy = 0				  busy (acquire)? then seen, left to its owner
 *										  else kept -> ledger, quota -> stock
 *	arm	attention = a; mode OFF?					  busy (acquire)? then seen
 *		then a -> a without what a recall left				-> ON, or PENDING if one was seen
 *
 * An owner that saw 0 inside set busy before the barrier, so the recall sees it busy, or gone with what it left. One that is
 * seen busy, even if it then did nothing, looks once more after the barrier, and gives back by itself, in sight: busy while
 * it does. So ON is only said
 * when nothing is in a credit and nothing on its way. Only the store of busy and the load of attention need the barrier;
 * what is kept is taken out by exchange, so that owner and recall do not both get it. An owner takes attention back to 0
 * only by an exchange against what it read before it saw the mode OFF: a recall between changes it, and it fails.
 *
 * A refusal stands if the mode was ON before the load that showed the word short, and is the same (it counts) after it. One
 * that finds the mode OFF recalls and looks again; PENDING: the same without barrier; RECALLING, or an owner in the middle:
 * "contended". A give to a credit looks at nobody's WAIT; hence whoever sets WAIT or CLAIM tries, and if that fails recalls,
 * and the mode does not go OFF while such a flag is set: try_off() exchanges, then looks at the words; the waiter sets the
 * flag, then looks at the mode. In one order of all four, one look comes second.
 *
 * The mode goes OFF a millisecond after the last flag and the last refusal, so that a recall, which interrupts all running
 * threads, is paid once in that time. At first it is ON. tests/models/credits.pml has it.
 */
#include "runtime/credits.h"

#include <stdlib.h>
#include <string.h>

#include <weir/clock.h>

#include "private/error.h"
#include "private/membarrier.h"

enum {
	CREDIT_PART = 8, /* of a limit, for all credits; of that, for one, beyond its first amounts */
	RELIMIT_TRIES_MAX = 1000,
	SKIP_SHORT = 64, /* gives, after one that could not be kept */
	SKIP_ON = 1024	 /* gives, before the clock is looked at again */
};
#define ON_NS WEIR_NS_PER_MS
/* What recalls leave in a cache's attention: a count that is not 0, until its owner arms it again. */
#define RECALLS (~BOOK_BIAS)
#define RECALLS_ONE (BOOK_BIAS + 1)

/* amounts / divisor in each field. */
static uint64_t part(uint64_t amounts, uint32_t divisor)
{
	uint64_t out = 0;
	for (int r = WEIR_CPU; r < WEIR_COUNTED; r++)
		out |= word_put((weir_resource)r, word_get(amounts, (weir_resource)r) / divisor);
	return out;
}

static uint64_t least(uint64_t a, uint64_t b, uint64_t mask)
{
	uint64_t out = 0;
	for (int r = WEIR_CPU; r < WEIR_COUNTED; r++) {
		weir_resource resource = (weir_resource)r;
		uint32_t x = word_get(a, resource), y = word_get(b, resource);
		out |= word_put(resource, (mask & word_mask(resource)) && y < x ? y : x);
	}
	return out;
}

/* A place that has cores and memory of its own: what is taken there is in its word, and in the totals. */
static bool is_simple(const struct ledger *ledger, uint32_t node)
{
	return ledger->machine->cores_near[node] == node && ledger->machine->memory_near[node] == node;
}

/* While every quota is zero. */
static void set_stock(struct credits *credits, const struct ledger *ledger)
{
	uint64_t of_total = part(ledger_word_limit(ledger, LEDGER_TOTAL), CREDIT_PART * ledger->nodes);
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		uint64_t all = part(ledger_word_limit(ledger, LEDGER_FIRST_NODE + n), CREDIT_PART);
		all = is_simple(ledger, n) ? least(all, of_total, ledger->limits.total_mask.main) : 0;
		at_store(&credits->stock[n].all, all, relaxed, none);
		at_store(&credits->stock[n].left, all, relaxed, none);
	}
}

weir_status credits_init(struct credits *credits, const struct ledger *ledger, struct book *book, bool enabled)
{
	memset(credits, 0, sizeof(*credits));
	credits->slots = &book->slots;
	at_init(&credits->mode, CREDITS_ON);
	if (!enabled || !membarrier_ready())
		return WEIR_OK;
	size_t bytes = ledger->nodes * sizeof(*credits->stock);
	credits->stock = aligned_alloc(CACHE_LINE, bytes);
	if (!credits->stock)
		return error_set(WEIR_ENOMEM, "no memory for the credits of %u nodes", ledger->nodes);
	memset(credits->stock, 0, bytes);
	set_stock(credits, ledger);
	return WEIR_OK;
}

void credits_fini(struct credits *credits)
{
	free(credits->stock);
}

/* The next cache from number *i on; NULL: there is none. */
static struct slot_cache *next_cache(struct credits *credits, uint32_t *i)
{
	uint32_t end = at_load(&credits->slots->end, relaxed, none);
	while (*i < end) {
		/* ORDER(slots_cache): acquire, pairs with the release in slots_own_cache(): it starts empty. */
		struct slot_cache *cache = at_load(&credits->slots->cache[(*i)++], acquire, slots_cache);
		if (cache)
			return cache;
	}
	return NULL;
}

static void stock_add(struct credits_stock *stock, uint64_t amounts)
{
	if (amounts)
		at_add(&stock->left, amounts, relaxed, none);
}

static bool stock_take(struct credits_stock *stock, uint64_t amounts)
{
	uint64_t left = at_load(&stock->left, relaxed, none);
	do {
		if (!word_fits(left, amounts, WORD_GUARDS_MAIN, 0))
			return false;
	} while (!at_cas_weak(&stock->left, &left, left - amounts, relaxed, relaxed, none));
	return true;
}

/* What a credit holds goes back. By its owner (busy), or by a recall that saw it not busy behind the barrier. */
static bool empty_out(struct credits *credits, struct ledger *ledger, struct slot_cache *cache)
{
	uint32_t node = where_cpu_node(at_load(&cache->where, relaxed, none));
	/* ORDER(credit): acq_rel: of owner and recall one gets it; who finds nothing sees that the other is at it. */
	uint64_t kept = at_swap(&cache->kept, 0, acq_rel, credit);
	uint64_t quota = at_swap(&cache->quota, 0, acq_rel, credit);
	if (quota)
		stock_add(&credits->stock[node], quota);
	if (!kept)
		return false;
	struct taken taken = {.units = {.main = kept}, .cpu_node = node, .memory_node = node};
	return ledger_give(ledger, &taken);
}

static bool flush(struct credits *credits, struct ledger *ledger, struct slot_cache *cache)
{
	at_store(&cache->busy, (uint32_t)CREDIT_BUSY, relaxed, none);
	bool waiters = empty_out(credits, ledger, cache);
	/* ORDER(credit): release, pairs with the acquire in collect(): who sees us gone sees the ledger with it. */
	at_store(&cache->busy, 0, release, credit);
	return waiters;
}

bool credits_flush(struct credits *credits, struct ledger *ledger)
{
	struct slot_cache *cache = slots_cache(credits->slots);
	return cache && at_load(&cache->kept, relaxed, none) && flush(credits, ledger, cache);
}

/* No owner goes on without seeing it: changed by each recall, so that arm() fails, and never 0. */
static void disarm(struct slot_cache *cache)
{
	uint64_t attention = at_load(&cache->attention, relaxed, none);
	uint64_t more;
	do {
		more = attention + RECALLS_ONE;
		more += more & RECALLS ? 0 : RECALLS_ONE;
		/* ORDER(credits): release, pairs with the acquire in arm(): it sees that the mode is not OFF. */
	} while (!at_cas_weak(&cache->attention, &attention, more, acq_rel, relaxed, credits));
}

/* The owner's: nobody recalls, so the credit may be used again. */
static bool arm(struct credits *credits, struct slot_cache *cache)
{
	/* ORDER(credits): acquire, pairs with the release in disarm(). */
	uint64_t attention = at_load(&cache->attention, acquire, credits);
	if (!(attention & RECALLS))
		return true;
	/* ORDER(credits): acq_rel: all that was collected before the mode went OFF is seen by who sees it armed: us. */
	return credits_are(credits_mode(credits), CREDITS_OFF) &&
	       at_cas(&cache->attention, &attention, attention & ~RECALLS, acq_rel, relaxed, credits);
}

/* All caches disarmed, and a barrier behind that. A cache that was made, and armed, between is met in the next round. */
static void disarm_all(struct credits *credits)
{
	bool again = true;
	while (again) {
		struct slot_cache *cache;
		for (uint32_t i = 1; (cache = next_cache(credits, &i));)
			disarm(cache);
#ifndef WEIR_SEED_BUG_MEMBARRIER
		membarrier_all();
#endif
		again = false;
		for (uint32_t i = 1; (cache = next_cache(credits, &i));)
			again |= !(at_load(&cache->attention, relaxed, none) & RECALLS);
	}
}

static bool is_busy(struct slot_cache *cache)
{
	/* ORDER(credit): acquire, pairs with the releases of the owner: we see what it left. */
	uint32_t busy = at_load(&cache->busy, acquire, credit);
	return busy && !(busy & BOOK_BUSY_ALONE);
}

/* Behind a barrier that followed RECALLING. True: no owner was in the middle. */
static bool collect(struct credits *credits, struct ledger *ledger, bool *waiters)
{
	bool all = true;
	struct slot_cache *cache;
	for (uint32_t i = 1; (cache = next_cache(credits, &i));) {
		if (is_busy(cache)) {
			all = false;
			continue;
		}
		*waiters |= empty_out(credits, ledger, cache);
		if (is_busy(cache))
			all = false;
	}
	return all;
}

uint64_t credits_recall(struct credits *credits, struct ledger *ledger, bool *waiters)
{
	uint64_t mode = credits_mode(credits);
	if (!credits_are(mode, CREDITS_OFF) && !credits_are(mode, CREDITS_PENDING))
		return mode;
	uint64_t count = mode & ~(uint64_t)CREDITS_MODES;
	/* ORDER(credits): seq_cst (acq_rel needed): before the caches are disarmed, and we go on where the last recall, or
	 * try_off(), ended. */
	if (!at_cas(&credits->mode, &mode, count | CREDITS_RECALLING, seq_cst, acquire, credits))
		return mode;
	if (credits_are(mode, CREDITS_OFF))
		disarm_all(credits);
	uint64_t after = count | (collect(credits, ledger, waiters) ? CREDITS_ON : CREDITS_PENDING);
	at_store(&credits->since_ns, weir_clock_monotonic_ns(), relaxed, none);
	/* ORDER(credits): seq_cst (release needed), pairs with the loads of who refuses: ON means that all is in the
	 * ledger. */
	at_store(&credits->mode, after, seq_cst, credits);
	return after;
}

void credits_relimit(struct credits *credits, struct ledger *ledger, bool *waiters)
{
	for (int tries = 0; credits->stock && tries < RELIMIT_TRIES_MAX; tries++) {
		uint64_t mode = credits_recall(credits, ledger, waiters);
		/* ORDER(credits): seq_cst (acq_rel needed), as in credits_recall(): all are empty, and nobody has a quota. */
		if (credits_are(mode, CREDITS_ON) &&
		    at_cas(&credits->mode, &mode, mode - CREDITS_ON + CREDITS_RECALLING, seq_cst, relaxed, credits)) {
			set_stock(credits, ledger);
			/* ORDER(credits): seq_cst (release needed), as in credits_recall(). */
			at_store(&credits->mode, mode, seq_cst, credits);
			return;
		}
		at_pause();
	}
}

static bool any_flag(const struct ledger *ledger)
{
	uint64_t flags = 0;
	for (uint32_t w = 0; w < ledger->words; w++)
		/* ORDER(credits): seq_cst, after the exchange in try_off(), with set_flag(). */
		flags |= at_load(&ledger->word[w].spare, seq_cst, credits);
	return flags & (WORD_WAIT | WORD_CLAIM);
}

/* True: credits are in use. */
static bool try_off(struct credits *credits, struct ledger *ledger, bool *waiters)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	uint64_t since_ns = at_load(&credits->since_ns, relaxed, none);
	if (now_ns - since_ns < ON_NS)
		return false;
	uint64_t mode = credits_mode(credits);
	if (credits_are(mode, CREDITS_PENDING))
		mode = credits_recall(credits, ledger, waiters);
	if (!credits_are(mode, CREDITS_ON))
		return credits_are(mode, CREDITS_OFF);
	if (at_load(&credits->refused, relaxed, none) || any_flag(ledger)) {
		at_store(&credits->refused, 0, relaxed, none);
		at_store(&credits->since_ns, now_ns, relaxed, none);
		return false;
	}
	uint64_t count = (mode & ~(uint64_t)CREDITS_MODES) + CREDITS_MODES + 1;
	/* ORDER(credits): seq_cst (release needed by arm()): before the look at the flags. */
	if (!at_cas(&credits->mode, &mode, count | CREDITS_OFF, seq_cst, relaxed, credits))
		return false;
	if (unlikely(any_flag(ledger))) {
		(void)credits_recall(credits, ledger, waiters);
		return false;
	}
	return true;
}

/* The owner's, inside. Is there quota for so much more, or can there be? */
static bool widen(struct credits *credits, struct slot_cache *cache, uint32_t node, uint64_t amounts)
{
	struct credits_stock *stock = &credits->stock[node];
	uint64_t kept = at_load(&cache->kept, relaxed, none);
	uint64_t quota = at_load(&cache->quota, relaxed, none);
	if (word_fits(quota, kept + amounts, WORD_GUARDS_MAIN, 0))
		return true;
	if (quota &&
	    !word_fits(part(at_load(&stock->all, relaxed, none), CREDIT_PART), kept + amounts, WORD_GUARDS_MAIN, 0))
		return false;
	if (!stock_take(stock, amounts))
		return false;
	at_store(&cache->quota, quota + amounts, relaxed, none);
	return true;
}

bool credits_keep(struct credits *credits, struct ledger *ledger, uint32_t node, uint64_t amounts, bool *waiters)
{
	struct slot_cache *cache = slots_cache(credits->slots);
	if (!credits->stock || !cache) {
		if (cache)
			cache->skip = UINT32_MAX;
		return false;
	}
	if (!arm(credits, cache) && (!try_off(credits, ledger, waiters) || !arm(credits, cache))) {
		cache->skip = SKIP_ON;
		return false;
	}
	/* Another node than before: what it kept there goes back. */
	if (at_load(&cache->where, relaxed, none) != book_where(node, thread_index_plus_one))
		*waiters |= flush(credits, ledger, cache);
	bool kept = false;
	at_store(&cache->busy, (uint32_t)CREDIT_BUSY, relaxed, none);
	at_signal_fence();
	/* ORDER(credits): acquire, as in credit_take(). */
	if (!at_load(&cache->attention, acquire, credits)) {
		/* Behind the look: a recall that is under way reads it. The credit is empty if this changes it. */
		at_store(&cache->where, book_where(node, thread_index_plus_one), relaxed, none);
		kept = widen(credits, cache, node, amounts);
		if (kept)
			at_store(&cache->kept, at_load(&cache->kept, relaxed, none) + amounts, relaxed, none);
	}
	/* ORDER(credit): release, as in credit_take(). */
	at_store(&cache->busy, 0, release, credit);
	at_signal_fence();
	if (at_load(&cache->attention, relaxed, none))
		*waiters |= flush(credits, ledger, cache);
	cache->skip = kept ? 0 : SKIP_SHORT;
	return kept;
}

uint64_t credits_on(struct credits *credits, uint32_t node)
{
	uint64_t sum = 0;
	struct slot_cache *cache;
	for (uint32_t i = 1; credits->stock && (cache = next_cache(credits, &i));)
		if (where_cpu_node(at_load(&cache->where, relaxed, none)) == node)
			sum += at_load(&cache->kept, relaxed, none);
	return sum;
}
