/* SPDX-License-Identifier: MIT */
/*
 * credits.h - room that a thread gave back and keeps at hand for its own next take, without a locked instruction.
 *
 * A credit is one thread number's, for one node at a time: units that stay taken from the ledger (from the node's word and
 * the totals alike) and are nobody's grant. It lies in the number's cache of the book's slots. Together at most an eighth of
 * a limit. Before anything is refused, all credits are recalled: no refusal stands on room that lies in a credit. The
 * argument is in credits.c.
 */
#ifndef WEIR_RUNTIME_CREDITS_H
#define WEIR_RUNTIME_CREDITS_H

#include "private/seed.h"
#include "runtime/book.h"
#include "runtime/ledger.h"

/* The low bits of the mode; above them a count of how often it went OFF. */
enum credits_mode {
	CREDITS_OFF,	   /* nobody is short: credits are in use */
	CREDITS_RECALLING, /* one thread collects them */
	CREDITS_PENDING,   /* collected, but some owner was in the middle: it gives back what it has */
	CREDITS_ON,	   /* collected: all are empty and stay so */
	CREDITS_MODES = 3  /* mask */
};

/* What all credits for a node may be together: what is left of it is nobody's quota. */
struct credits_stock {
	CACHE_ALIGNED _Atomic(uint64_t) left;
	_Atomic(uint64_t) all;
};

struct credits {
	CACHE_ALIGNED _Atomic(uint64_t) mode;
	struct slots *slots;			  /* whose caches they lie in */
	struct credits_stock *stock;		  /* by node; NULL: no credits here */
	CACHE_ALIGNED _Atomic(uint64_t) since_ns; /* ON, or looked at for OFF the last time */
	_Atomic(uint32_t) refused;		  /* something was, since then */
};

/* enabled: else, and where the kernel has no membarrier, nobody gets one. Errors: WEIR_ENOMEM. */
weir_status credits_init(struct credits *credits, const struct ledger *ledger, struct book *book, bool enabled);
void credits_fini(struct credits *credits);

/* Before a refusal, or after a flag (WAIT, CLAIM) was set on words: collect what is in credits, unless that is done.
 * Returns the mode it leaves. True in *waiters: somebody waits for what came back; never set to false. */
uint64_t credits_recall(struct credits *credits, struct ledger *ledger, bool *waiters);

/* Limits have changed: what is kept goes back (and may pay what is owed), and the stock is an eighth of the new ones; unless
 * an owner stays in the middle for long: then it stays what it was. */
void credits_relimit(struct credits *credits, struct ledger *ledger, bool *waiters);

/* Give back what the calling thread has in its credit. True: somebody waits for it. */
bool credits_flush(struct credits *credits, struct ledger *ledger);

/* Must the calling thread credits_flush()? To be asked after it was busy, whatever it then did: it may have been seen, and
 * what is kept is left to it. */
static ALWAYS_INLINE bool credits_must_flush(struct slot_cache *cache)
{
	return unlikely(at_load(&cache->attention, relaxed, none)) && unlikely(at_load(&cache->kept, relaxed, none));
}

/* The slow end of credit_give(): may amounts be kept that were not? False: they go to the ledger. Only for who has a
 * cache. */
bool credits_keep(struct credits *credits, struct ledger *ledger, uint32_t node, uint64_t amounts, bool *waiters);

/* What lies in all credits for a node. Exact at rest. */
uint64_t credits_on(struct credits *credits, uint32_t node);

static inline bool credits_are(uint64_t mode, enum credits_mode which)
{
	return (mode & CREDITS_MODES) == (uint64_t)which;
}

static ALWAYS_INLINE uint64_t credits_mode(struct credits *credits)
{
	/* ORDER(credits): seq_cst, pairs with the exchange in try_off(): it sees the flag that the caller set before, or
	 * we its OFF. */
	return at_load(&credits->mode, seq_cst, credits);
}

/* The hot path, to be inlined; calls nothing. --------------------------------------------------------------------- */

enum { CREDIT_BUSY = INT32_MAX }; /* no slot's number + 1 */

/* Take amounts from the calling thread's credit. *where: of the grant to be. False: nothing happened. *leave: it is being recalled, and the caller must
 * credits_flush() once it has made a grant of what it got. */
static ALWAYS_INLINE bool credit_take(struct slot_cache *cache, uint32_t node, uint64_t amounts, uint64_t *where,
				      bool *leave)
{
	bool served = false;
	/* The owner's own: nobody else writes it. */
	*where = at_load(&cache->where, relaxed, none);
	SEED_EARLY(at_store(&cache->busy, CREDIT_BUSY, relaxed, none));
	at_signal_fence();
	/* ORDER(credits): acquire, pairs with the release in arm(): it was emptied before. */
	if (likely(!at_load(&cache->attention, acquire, credits))) {
		uint64_t kept = at_load(&cache->kept, relaxed, none);
		served = where_cpu_node(*where) == node && word_fits(kept, amounts, WORD_GUARDS_MAIN, 0);
		SEED_LATE(at_store(&cache->busy, CREDIT_BUSY, relaxed, none));
		if (likely(served))
			at_store(&cache->kept, kept - amounts, relaxed, none);
	}
	/* ORDER(credit): release, pairs with the acquire in collect(): who sees us gone sees what we left. */
	at_store(&cache->busy, 0, release, credit);
	at_signal_fence();
	*leave = at_load(&cache->attention, relaxed, none) != 0;
	return served;
}

/* Inside book_enter(), which saw no attention: keep what a grant held whose `where` is the cache's. False: no quota for it.
 * After book_leave() the caller must look at the attention once more, and credits_flush() if it is not 0. */
static ALWAYS_INLINE bool credit_keep(struct slot_cache *cache, uint64_t amounts)
{
	uint64_t kept = at_load(&cache->kept, relaxed, none) + amounts;
	if (unlikely(!word_fits(at_load(&cache->quota, relaxed, none), kept, WORD_GUARDS_MAIN, 0)))
		return false;
	SEED_LATE(at_store(&cache->busy, CREDIT_BUSY, relaxed, none));
	at_store(&cache->kept, kept, relaxed, none);
	return true;
}

#endif
