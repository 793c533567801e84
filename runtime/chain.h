/* SPDX-License-Identifier: MIT */
/*
 * chain.h - the next in line, where whoever ends a grant can reach them: a grant is handed on, and the ledger never hears of
 * it.
 *
 * A thread that ends grants has a hand: at most HAND_MAX waiters of one shape, the first of the whole room in the order of
 * service. Holding the room's token it fills its hand itself; then, for each grant of just these units on this place that it
 * ends, it takes the oldest out by one exchange of that waiter's state, and the grant is its. What would be given back is what
 * it needs, and nobody is served before it, so a give and a scan would have granted it just the same. Whoever holds the token
 * may pull back what is in a hand, by the same exchange. The argument is in chain.c.
 */
#ifndef WEIR_RUNTIME_CHAIN_H
#define WEIR_RUNTIME_CHAIN_H

#include "private/compiler.h"
#include "private/thread.h"
#include "runtime/book.h"
#include "runtime/room.h"
#include "runtime/tracker.h"

enum { HAND_MAX = 64, HAND_LOW = 1 };

struct hand_slot {
	struct waiter *waiter;
	uint64_t state; /* as it was lent: WAITING, of this use and turn */
};

struct hand {
	/* The owner's, who fills it with the token held; others read it, and put an end to it, with the token held. */
	CACHE_ALIGNED _Atomic(uint32_t) next; /* slots below are done with: taken, or passed over */
	_Atomic(uint32_t) passed;	      /* of these, those that somebody else had decided */
	_Atomic(uint32_t) end;		      /* slots below are lent; 0: they were pulled back */
	uint32_t place;
	struct packed units;	 /* what each of them needs */
	_Atomic(uint64_t) taken; /* ever */
	/* What the owner handed on last, on this place, if it may do so again by book_renew_own(); else 0. Its slot in the book, and
	 * the owner's cache of such slots. */
	weir_grant grant;
	struct record_slot *record;
	struct slot_cache *cache;
	struct hand_slot slot[HAND_MAX + 2]; /* behind the last, the last twice more */
	struct waiter *coming[HAND_MAX + 1]; /* who may be in it the next time, to be fetched; may be gone */
	/* The token holder's. */
	CACHE_ALIGNED uint32_t filled; /* slots; 0: nothing is lent, and the rest means nothing */
	uint32_t pace;		       /* how many it gets */
	_Atomic(uint64_t) counted;     /* of those taken, ever */
	struct taken held;	       /* what a grant of these units took, and from where */
	uint64_t filled_ns;
	uint64_t since_ns[HAND_MAX];			      /* since when they wait */
	uint64_t since_sum_ns, since_first_ns, since_last_ns; /* of all of them */
};

/* What is lent to a place, or was last: the token holder's. */
struct lending {
	CACHE_ALIGNED uint32_t hands; /* that are filled */
	struct packed units;	      /* of the shape, with what follows */
	uint32_t home;
	bool home_only;
	weir_class task_class;
	int32_t priority;
	uint64_t moved_ns; /* when it was last seen that some were taken out; 0: never */
};

/* Who gets a grant touches these lines, which are those of who submitted it. What is read here may be in use again, but its
 * memory stays what it is. */
static ALWAYS_INLINE void hand_fetch_owner(struct waiter *waiter)
{
	/* What its owner has before it. */
	__builtin_prefetch((const char *)waiter - CACHE_LINE, 1);
	__builtin_prefetch(at_load(&waiter->whose, relaxed, none), 1);
}

static ALWAYS_INLINE void hand_fetch_ahead(struct hand *hand, uint32_t next)
{
	__builtin_prefetch(hand->slot[next + 1].waiter, 1);
	hand_fetch_owner(hand->slot[next].waiter);
	__builtin_prefetch(hand->coming[next], 1);
}

/* The owner's: take the oldest out, which is at next, below end: it is GRANTED then. NULL: all were decided by others. */
static ALWAYS_INLINE struct waiter *hand_take(struct hand *hand, uint32_t next)
{
	do {
		struct hand_slot *slot = &hand->slot[next++];
		/* Relaxed: we filled the slot, and have acquired the waiter with the token. */
		bool ours = waiter_grant_lent(slot->waiter, slot->state);
		_Atomic(uint32_t) *passed = &hand->passed;
		if (likely(ours))
			at_store(&hand->taken, at_load(&hand->taken, relaxed, none) + 1, relaxed, none);
		else
			at_store(passed, at_load(passed, relaxed, none) + 1, relaxed, none);
		/* ORDER(hand): release, pairs with the acquire in pull_back(): who sees it sees who was passed over. */
		at_store(&hand->next, next, release, hand);
		if (likely(ours)) {
			hand_fetch_ahead(hand, next);
			return slot->waiter;
		}
	} while (next < at_load(&hand->end, relaxed, none));
	return NULL;
}

/* The owner's: it ends a grant, which goes on to the oldest, if there is one, and the grant is what they need. *grant: the new
 * handle, even if it is then found that all were decided by others. NULL: admission_hand_on() finds out. */
static ALWAYS_INLINE struct waiter *hand_on_at_once(struct hand *hand, weir_grant *grant)
{
	uint32_t next = at_load(&hand->next, relaxed, none);
	if (unlikely(hand->grant.handle != grant->handle) || unlikely(next >= at_load(&hand->end, relaxed, none)) ||
	    unlikely(!book_renew_own(hand->record, hand->cache, grant, hand->units.main, hand->units.counted)))
		return NULL;
	hand->grant = *grant;
	struct waiter *waiter = hand_take(hand, next);
	if (unlikely(!waiter))
		return NULL;
	waiter->grant = *grant;
	waiter->node = hand->place;
	return waiter;
}

/* The owner's: is it the moment to fetch what filling it again will touch? */
static inline bool hand_gets_low(struct hand *hand)
{
	return at_load(&hand->next, relaxed, none) + HAND_LOW == at_load(&hand->end, relaxed, none);
}

struct weir_admission;
struct batch;

/* The token holder's. ------------------------------------------------------------------------------------------- */

/* Fill the calling thread's hand with the first in line for a place, if what a grant took is just what they need. False: it
 * is not, or there is something that a scan has to decide. */
bool hand_fill(struct weir_admission *admission, struct hand *hand, uint32_t place, const struct taken *taken);

/* Take everybody back who was lent and not taken out, into their old places in the room; count those out who were. */
void chains_pull_back(struct weir_admission *admission);

/* Does somebody of each shape that is lent stand first in the room, and no claim binds it? Then whoever is lent does not fit if
 * that one does not. */
bool chains_are_behind(const struct weir_admission *admission);

/* Is the shape of a waiter lent? Then it does not fit now, and one more of it changes nothing. */
bool chains_hold(const struct weir_admission *admission, const struct waiter *waiter);

/* When was one of the head's shape last handed a grant, so that the head has been the head since then at the earliest?
 * 0: not by a chain. */
uint64_t chains_served_ns(const struct weir_admission *admission, const struct waiter *head);

/* Anybody's. ----------------------------------------------------------------------------------------------------- */

bool chains_init(struct weir_admission *admission, uint32_t nodes);
void chains_fini(struct weir_admission *admission);

/* Of those who wait, how many have been taken out and are not counted out yet. Exact at rest. */
uint64_t chains_taken(struct weir_admission *admission);

/* The calling thread's hand, which stays where it is while the admission lives. NULL: it has none. */
struct hand *chains_hand(struct weir_admission *admission);

/* A hand will have to be filled soon: fetch what others write as well. */
void chains_fetch(struct weir_admission *admission, const struct hand *hand);

/* A grant on this place ends. The next in line gets it: returned, GRANTED, with its grant and node. NULL: nobody did, and it
 * was given back. *kick: somebody may have to be started, call admission_settle_rest() with the batch. *stale: the grant was
 * not live. */
struct waiter *admission_hand_on(struct weir_admission *admission, uint32_t place, weir_grant grant,
				 struct batch *batch, bool *kick, bool *stale);

#endif
