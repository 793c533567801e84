/* SPDX-License-Identifier: MIT */
/*
 * book.c - who holds what.
 *
 * Holds:     a record for each live grant, in a type-stable slot (slots.c) of one cache line.
 * Invariant: B1  a handle is live from its publish to the one unpublish that wins, and never again.
 *            B2  a record that is read belongs to the handle it was asked for, whole.
 *            B3  0 is no handle; a slot whose generations are used up makes no more.
 *            B4  a grant with an owner is released by the owner's plain store only while nobody else exchanges its state.
 * Progress:  lock-free; read is wait-free. reserve + publish + unpublish together have no locked instruction where the
 *            owner unpublishes; else one, the exchange that decides who does (and one more per 64 grants, for the shared
 *            stack).
 * Together:            reserve publish cancel unpublish read each count        "-" safe together
 *            any          -       -      -       -       -    -     -          book_destroy() excludes all
 * Not here:  how much is spare (ledger.c), what a grant is called (names.c).
 *
 * A slot's state is 2 g while its g-th grant is live and 2 g + 1 while it is free or being written, so it only grows.
 * It is a sequence lock whose "odd" is written by unpublish (book.h has publish and unpublish):
 *
 *	unpublish  CAS state 2 g -> 2 g + 1           read   s1 = state, stale if not 2 g
 *	publish    fields (release);                         fields (acquire)
 *	           state = 2 g + 2 (release)                 stale if state is not s1
 *
 * Bias. Most grants are released by who took them, so the state of a slot belongs to the thread number that published it
 * (owner), which needs no exchange: it says what it is at (busy), looks whether that is still allowed (bias), and stores.
 * Anybody else first forbids it, and has the kernel put a barrier into every thread:
 *
 *	owner    state live and mine?                    other    bias + 1 (so it is not 0)
 *	         busy = slot                                      barrier in all threads, unless bias was OFF; bias |= OFF
 *	         bias 0?  then state = free                       busy is this slot? then it is the owner's: stale
 *	                  else exchange                           else exchange
 *	         busy = 0 (release)                               bias - 1
 *
 * An owner that saw bias 0 had set busy before the barrier: the other sees it there, or gone and the state with it. One that
 * looks after the barrier exchanges. busy is only set where the owner saw this very grant live, and it publishes no other
 * meanwhile, so it is never another grant of the slot; and it stays until the exchange is through, so that an answer "stale"
 * never comes before somebody is about to win. While bias is not 0, grants are published without owner, and cost all the
 * same; after 1,024 of them (doubled each time, up to 2^20) the owner puts it back to 0, if nobody is in the middle. So a
 * thread whose grants others release pays for a barrier less and less. A number's next thread goes on where the last one
 * ended (edge thread_index). tests/models/bias.pml has it, with what fails when a part is left out.
 *
 * A reader that sees a field of a later grant (acquire) sees what came before it: the odd state, so the second look at
 * state tells. No RCU: slots are type-stable and segments stay.
 */
#include "runtime/book.h"

#include "private/error.h"
#include "private/membarrier.h"

enum { BIAS_WAIT_MIN = 1 << 10, BIAS_WAIT_MAX = 1 << 20 };

static void record_init(void *memory, uint32_t number)
{
	(void)number;
	struct record_slot *slot = memory;
	at_init(&slot->state, 1);
}

weir_status book_create(struct book **out, uint32_t grants_max)
{
	struct slots *slots;
	weir_status status = slots_create(&slots, grants_max, sizeof(struct record_slot), record_init);
	if (slots)
		slots->bias_first = membarrier_ready() ? 0 : BOOK_BIAS_OFF | BOOK_BIAS_NEVER;
	*out = slots ? container_of(slots, struct book, slots) : NULL;
	return status;
}

void book_destroy(struct book *book)
{
	if (book)
		slots_destroy(&book->slots);
}

static COLD void stale(weir_grant grant)
{
	error_set(WEIR_ESTALE, "grant %#llx is not live: given back before, or never taken here",
		  (unsigned long long)grant.handle);
}

uint32_t book_owner_slow(struct book *book)
{
	struct slot_cache *cache = slots_cache(&book->slots);
	if (!cache)
		return 0;
	uint32_t off = BOOK_BIAS_OFF;
	if (book_bias_is_due(cache)) {
		/* ORDER(bias): acquire, pairs with the release in change_foreign(): those who were at it are through, and
		 * what they struck out is seen. Fails while some are. */
		if (at_cas(&cache->bias, &off, 0, acquire, relaxed, bias))
			cache->bias_wait = !cache->bias_wait		      ? BIAS_WAIT_MIN
					   : cache->bias_wait < BIAS_WAIT_MAX ? 2 * cache->bias_wait
									      : BIAS_WAIT_MAX;
		cache->bias_waited = 0;
	}
	return book_owner(cache);
}

/* The owner's part, where something is in the way of the short one. busy is set before the bias is looked at and is not
 * cleared before it is decided. */
static bool change_own(struct slot_cache *cache, struct record_slot *slot, uint32_t number, uint64_t live,
		       uint64_t wanted)
{
	bool won;
	at_store(&cache->busy, number + 1, relaxed, none);
	at_signal_fence();
	if (at_load(&cache->bias, relaxed, none)) {
		/* ORDER(book_state): acquire, as in book_change(). */
		won = at_cas(&slot->state, &live, wanted, acquire, relaxed, book_state);
	} else {
		won = at_load(&slot->state, relaxed, none) == live;
		if (won)
			at_store(&slot->state, wanted, relaxed, none);
	}
	/* ORDER(bias): release, pairs with the acquire in change_foreign(). */
	at_store(&cache->busy, 0, release, bias);
	return won;
}

/* Everybody else's: with the bias off and kept off, and a barrier behind that, the owner is either seen at this very slot,
 * and has won, or exchanges like us. */
static bool change_foreign(struct slot_cache *owners, struct record_slot *slot, uint32_t number, uint64_t live,
			   uint64_t wanted)
{
	/* ORDER(bias): acq_rel, pairs with itself: who finds it off relies on the barrier of who put it off. */
	if (!(at_add(&owners->bias, 1, acq_rel, bias) & BOOK_BIAS_OFF)) {
		membarrier_all();
		at_or(&owners->bias, BOOK_BIAS_OFF, acq_rel, bias);
	}
	/* ORDER(bias): acquire, pairs with the releases of the owner: if it is through we see the state that it left. */
	bool won = at_load(&owners->busy, acquire, bias) != number + 1 &&
		   /* ORDER(book_state): acquire, as in book_change(). */
		   at_cas(&slot->state, &live, wanted, acquire, relaxed, book_state);
	/* ORDER(bias): release, pairs with the acquire in book_owner_slow(). */
	at_sub(&owners->bias, 1, release, bias);
	return won;
}

bool book_change(struct book *book, uint32_t number, uint64_t live, uint64_t wanted)
{
	struct record_slot *slot = book_slot_at(book, number);
	/* ORDER(book_state): acquire, pairs with the release in book_publish_for(): the owner, and the fields, are this
	 * grant's. Failure is relaxed: nothing is read then. */
	if (at_load(&slot->state, acquire, book_state) != live)
		return false;
	uint32_t owner = at_load(&slot->owner, relaxed, none);
	if (!owner)
		return at_cas(&slot->state, &live, wanted, acquire, relaxed, book_state);
	/* ORDER(slots_cache): acquire, pairs with the release in own_cache(). */
	struct slot_cache *cache = at_load(&book->slots.cache[owner], acquire, slots_cache);
	return owner == thread_index_plus_one ? change_own(cache, slot, number, live, wanted)
					      : change_foreign(cache, slot, number, live, wanted);
}

weir_status book_unpublish(struct book *book, weir_grant grant, struct book_record *out)
{
	uint32_t number = (uint32_t)(grant.handle & BOOK_SLOT_MASK);
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t generation = grant.handle >> SLOTS_BITS;
	uint64_t live = 2 * generation;
	if (!slot || !book_change(book, number, live, live + 1)) {
		stale(grant);
		return WEIR_ESTALE;
	}
	/* From here the slot is ours alone: nobody writes it until it is put. */
	book_fields_read(slot, out);
	if (generation >= BOOK_GENERATION_LAST)
		slots_retire(&book->slots);
	else
		slots_put(&book->slots, number);
	return WEIR_OK;
}

bool book_renew(struct book *book, weir_grant *grant, uint64_t main, uint64_t counted)
{
	uint64_t generation = grant->handle >> SLOTS_BITS;
	uint32_t number = (uint32_t)(grant->handle & BOOK_SLOT_MASK);
	struct record_slot *slot = book_slot_of(book, *grant);
	if (unlikely(!slot || generation >= BOOK_GENERATION_LAST ||
		     !book_change(book, number, 2 * generation, 2 * generation + 1)))
		return false;
	/* From here the slot is ours alone. */
	bool same = at_load(&slot->main, relaxed, none) == main && at_load(&slot->counted, relaxed, none) == counted;
	/* Who renews it once will do so again. */
	struct slot_cache *cache = slots_cache(&book->slots);
	at_store(&slot->owner, likely(cache) ? book_owner(cache) : 0, relaxed, none);
	/* ORDER(book_state): release, pairs with the acquires of who unpublishes or reads it: the fields are those that we
	 * acquired with the old handle. */
	at_store(&slot->state, 2 * generation + (same ? 2 : 0), release, book_state);
	if (!same)
		return false;
	grant->handle += UINT64_C(1) << SLOTS_BITS;
	return true;
}

/* Read a slot that should be in state `live`. False if it is not, or changed meanwhile. */
static bool slot_read(struct record_slot *slot, uint64_t live, struct book_record *out)
{
	/* ORDER(book_state): acquire, pairs with the release in book_publish(): no older fields. */
	if (at_load(&slot->state, acquire, book_state) != live)
		return false;
	book_fields_read(slot, out);
	/* Relaxed: the acquires before it keep it behind them. */
	return at_load(&slot->state, relaxed, none) == live;
}

weir_status book_read(struct book *book, weir_grant grant, struct book_record *out)
{
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t generation = grant.handle >> SLOTS_BITS;
	if (!slot || !generation || !slot_read(slot, 2 * generation, out)) {
		stale(grant);
		return WEIR_ESTALE;
	}
	return WEIR_OK;
}

void book_each(struct book *book, bool (*fn)(weir_grant grant, const struct book_record *record, void *context),
	       void *context)
{
	uint32_t made = slots_made(&book->slots);
	for (uint32_t number = 0; number < made; number++) {
		struct record_slot *slot = book_slot_at(book, number);
		uint64_t state = at_load(&slot->state, relaxed, none);
		struct book_record record;
		if (state & 1 || !slot_read(slot, state, &record))
			continue;
		if (!fn((weir_grant){.handle = state / 2 << SLOTS_BITS | number}, &record, context))
			return;
	}
}

uint64_t book_count(struct book *book)
{
	return slots_count(&book->slots);
}
