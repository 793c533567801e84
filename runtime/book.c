/* SPDX-License-Identifier: MIT */
/*
 * book.c - who holds what.
 *
 * Holds:     a record for each live grant, in a type-stable slot (slots.c) of one cache line.
 * Invariant: B1  a handle is live from its publish to the one unpublish that wins, and never again.
 *            B2  a record that is read belongs to the handle it was asked for, whole.
 *            B3  0 is no handle; a slot whose generations are used up makes no more.
 *            B5  a change of a live grant is whole: nobody reads, or gives back, parts of what it held before and after.
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
 * Change. What a live grant holds is changed by whoever exchanges its state from 2 g to 2 g | BUSY (the owner too, without
 * setting busy: nobody may take it for releasing): turn + 1, fields, state = 2 g again. A release meanwhile leaves the note
 * GIVEN and is done: who changes the record finds it at the end, and gives back what there is. So a releaser never gives up,
 * which others may already have been told. A reader that sees a field of the change sees its turn, or that the state is BUSY.
 *
 * A reader that sees a field of a later grant (acquire) sees what came before it: the odd state, so the second look at
 * state tells. No RCU: slots are type-stable and segments stay.
 */
#include "runtime/book.h"

#include "private/error.h"
#include "private/membarrier.h"

enum { READ_TRIES_MAX = 64 };
enum { BIAS_WAIT_MIN = 1 << 10, BIAS_WAIT_MAX = 1 << 20 };

static void record_init(void *memory, uint32_t number, uint64_t generation)
{
	(void)number;
	struct record_slot *slot = memory;
	at_init(&slot->state, 2 * (generation & BOOK_GENERATION_LAST / 2) + 1);
}

weir_status book_create(struct book **out, uint32_t grants_max)
{
	struct slots *slots;
	weir_status status = slots_create(&slots, grants_max, sizeof(struct record_slot), record_init);
	if (slots)
		/* No credit until somebody arms it. */
		slots->attention = (BOOK_BIAS + 1) | (membarrier_ready() ? 0 : BOOK_BIAS_OFF | BOOK_BIAS_NEVER);
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
	if (book_bias_is_due(cache)) {
		uint64_t attention = at_load(&cache->attention, relaxed, none);
		if (attention & BOOK_BIAS_NEVER)
			cache->bias_wait = UINT32_MAX;
		/* ORDER(bias): acquire, pairs with the release in change_foreign(): those who were at it are through, and
		 * what they struck out is seen. Not while some are. */
		if ((attention & BOOK_BIAS) == BOOK_BIAS_OFF &&
		    at_cas(&cache->attention, &attention, attention & ~BOOK_BIAS, acquire, relaxed, bias))
			cache->bias_wait = !cache->bias_wait		      ? BIAS_WAIT_MIN
					   : cache->bias_wait < BIAS_WAIT_MAX ? 2 * cache->bias_wait
									      : BIAS_WAIT_MAX;
		cache->bias_waited = 0;
	}
	return book_owner(cache);
}

/* LOST: to a state that is not `live`. OWNERS: the owner is about to release it, or to lose to another release. */
enum change { WON, LOST, OWNERS };

/* The owner's part, where something is in the way of the short one. busy is set before the bias is looked at and is not
 * cleared before it is decided. */
static enum change change_own(struct slot_cache *cache, struct record_slot *slot, uint32_t number, uint64_t live,
			      uint64_t wanted)
{
	bool won;
	at_store(&cache->busy, (number + 1) | BOOK_BUSY_ALONE, relaxed, none);
	at_signal_fence();
	if (at_load(&cache->attention, relaxed, none) & BOOK_BIAS) {
		/* ORDER(book_state): acquire, as in change_state(). */
		won = at_cas(&slot->state, &live, wanted, acquire, relaxed, book_state);
	} else {
		won = at_load(&slot->state, relaxed, none) == live;
		if (won)
			at_store(&slot->state, wanted, relaxed, none);
	}
	/* ORDER(bias): release, pairs with the acquire in change_foreign(). */
	at_store(&cache->busy, 0, release, bias);
	return won ? WON : LOST;
}

/* Everybody else's: with the bias off and kept off, and a barrier behind that, the owner is either seen at this very slot,
 * and has won, or exchanges like us. */
static enum change change_foreign(struct slot_cache *owners, struct record_slot *slot, uint32_t number, uint64_t live,
				  uint64_t wanted)
{
	/* ORDER(bias): acq_rel, pairs with itself: who finds it off relies on the barrier of who put it off. */
	if (!(at_add(&owners->attention, 1, acq_rel, bias) & BOOK_BIAS_OFF)) {
		membarrier_all();
		at_or(&owners->attention, BOOK_BIAS_OFF, acq_rel, bias);
	}
	/* ORDER(bias): acquire, pairs with the releases of the owner: if it is through we see the state that it left. */
	enum change change = OWNERS;
	if ((at_load(&owners->busy, acquire, bias) & ~BOOK_BUSY_ALONE) != number + 1)
		/* ORDER(book_state): acquire, as in change_state(). */
		change = at_cas(&slot->state, &live, wanted, acquire, relaxed, book_state) ? WON : LOST;
	/* ORDER(bias): release, pairs with the acquire in book_owner_slow(). */
	at_sub(&owners->attention, 1, release, bias);
	return change;
}

/* For who is not between book_enter() and book_leave(): with owners, a compare-and-swap alone is not enough. */
static enum change change_state(struct book *book, uint32_t number, uint64_t live, uint64_t wanted)
{
	struct record_slot *slot = book_slot_at(book, number);
	/* ORDER(book_state): acquire, pairs with the release in book_publish_at(): the owner, and the fields, are this
	 * grant's. Failure is relaxed: nothing is read then. */
	if (at_load(&slot->state, acquire, book_state) != live) {
		struct slot_cache *own = slots_cache(&book->slots);
		/* Set by book_enter(), and decided by others meanwhile.
		 * ORDER(bias): release, pairs with the acquire in change_foreign(). */
		if (own && at_load(&own->busy, relaxed, none) == number + 1)
			at_store(&own->busy, 0, release, bias);
		return LOST;
	}
	uint32_t owner = where_owner(at_load(&slot->where, relaxed, none));
	if (!owner)
		return at_cas(&slot->state, &live, wanted, acquire, relaxed, book_state) ? WON : LOST;
	/* ORDER(slots_cache): acquire, pairs with the release in slots_own_cache(). */
	struct slot_cache *cache = at_load(&book->slots.cache[owner], acquire, slots_cache);
	return owner == thread_index_plus_one ? change_own(cache, slot, number, live, wanted)
					      : change_foreign(cache, slot, number, live, wanted);
}

/* Why a grant could not be had: gone, or being changed. */
static COLD weir_status refused(struct book *book, weir_grant grant)
{
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t live = grant.handle >> SLOTS_BITS << 1;
	if (slot && at_load(&slot->state, relaxed, none) == (live | BOOK_BUSY))
		return error_set(WEIR_EBUSY, "grant %#llx is being changed at this moment: try again",
				 (unsigned long long)grant.handle);
	stale(grant);
	return WEIR_ESTALE;
}

weir_status book_begin_change(struct book *book, weir_grant grant, struct book_record *out)
{
	uint32_t number = (uint32_t)(grant.handle & BOOK_SLOT_MASK);
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t live = grant.handle >> SLOTS_BITS << 1;
	/* ORDER(book_state): acquire, as in change_state(). */
	if (!slot || !live || at_load(&slot->state, acquire, book_state) != live)
		return refused(book, grant);
	uint32_t owner = where_owner(at_load(&slot->where, relaxed, none));
	uint64_t state = live;
	bool won;
	if (!owner || owner == thread_index_plus_one) {
		/* ORDER(book_state): acquire: the fields are written behind this. */
		won = at_cas(&slot->state, &state, live | BOOK_BUSY, acquire, relaxed, book_state);
	} else {
		/* ORDER(slots_cache): acquire, pairs with the release in slots_own_cache(). */
		struct slot_cache *cache = at_load(&book->slots.cache[owner], acquire, slots_cache);
		won = change_foreign(cache, slot, number, live, live | BOOK_BUSY) == WON;
	}
	if (!won)
		return refused(book, grant);
	book_fields_read(slot, out);
	return WEIR_OK;
}

/* The slot of a grant that is struck out is ours alone: nobody writes it until it is put. */
static void put_slot(struct book *book, weir_grant grant)
{
	if (grant.handle >> SLOTS_BITS >= BOOK_GENERATION_LAST)
		slots_retire(&book->slots);
	else
		slots_put(&book->slots, (uint32_t)(grant.handle & BOOK_SLOT_MASK));
}

bool book_changed(struct book *book, weir_grant grant, uint64_t main, uint64_t counted)
{
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t live = grant.handle >> SLOTS_BITS << 1, state = live | BOOK_BUSY;
	uint32_t turn = at_load(&slot->turn, relaxed, none) + 1;
	/* ORDER(book_fields): release on all, pairs with the acquires in slot_read() and book_fields_read(): who sees one
	 * of these sees those before it, BUSY included. */
	at_store(&slot->turn, turn, release, book_fields);
	at_store(&slot->main, main, release, book_fields);
	at_store(&slot->counted, counted, release, book_fields);
	uint64_t where = at_load(&slot->where, relaxed, none) & ~WHERE_COUNTED;
	at_store(&slot->where, where | (counted ? WHERE_COUNTED : 0), release, book_fields);
	/* ORDER(book_state): release, as in book_publish_at(); acquire where it fails, to who left the note. */
	if (likely(at_cas(&slot->state, &state, live, release, acquire, book_state)))
		return false;
	at_store(&slot->state, live + 1, relaxed, none);
	put_slot(book, grant);
	return true;
}

/* Leave it to who changes it. False: nobody does any more. */
static bool hand_over(struct record_slot *slot, uint64_t live)
{
	uint64_t state = live | BOOK_BUSY;
	/* ORDER(book_state): release, pairs with the acquire in book_changed(): who gives it back does so behind us. */
	return at_cas(&slot->state, &state, live | BOOK_BUSY | BOOK_GIVEN, release, relaxed, book_state);
}

weir_status book_unpublish(struct book *book, weir_grant grant, struct book_record *out)
{
	uint32_t number = (uint32_t)(grant.handle & BOOK_SLOT_MASK);
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t live = grant.handle >> SLOTS_BITS << 1;
	while (slot && live) {
		enum change how = change_state(book, number, live, live + 1);
		if (likely(how == WON)) {
			book_fields_read(slot, out);
			put_slot(book, grant);
			return WEIR_OK;
		}
		uint64_t state = at_load(&slot->state, relaxed, none);
		if (how == OWNERS || (state & ~BOOK_BUSY) != live)
			break;
		if (state != live && hand_over(slot, live)) {
			*out = (struct book_record){0};
			return WEIR_OK;
		}
	}
	stale(grant);
	return WEIR_ESTALE;
}

bool book_renew(struct book *book, weir_grant *grant, uint64_t main, uint64_t counted)
{
	uint64_t generation = grant->handle >> SLOTS_BITS;
	uint32_t number = (uint32_t)(grant->handle & BOOK_SLOT_MASK);
	struct record_slot *slot = book_slot_of(book, *grant);
	if (unlikely(!slot || generation >= BOOK_GENERATION_LAST ||
		     change_state(book, number, 2 * generation, 2 * generation + 1) != WON))
		return false;
	/* From here the slot is ours alone. */
	bool same = at_load(&slot->main, relaxed, none) == main && at_load(&slot->counted, relaxed, none) == counted;
	/* Who renews it once will do so again. */
	struct slot_cache *cache = slots_cache(&book->slots);
	uint64_t where = at_load(&slot->where, relaxed, none);
	uint32_t owner = 0;
	if (likely(cache))
		owner = book_bias_is_due(cache) ? book_owner_slow(book) : book_owner(cache);
	/* ORDER(book_fields): release, as in book_publish_at(). */
	at_store(&slot->where, where_owned_by(where, owner), release, book_fields);
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
	/* ORDER(book_fields): acquire, pairs with the releases in book_changed(): BUSY, or the fields of that turn. */
	uint32_t turn = at_load(&slot->turn, acquire, book_fields);
	/* ORDER(book_state): acquire, pairs with the release in book_publish(): no older fields. */
	if (at_load(&slot->state, acquire, book_state) != live)
		return false;
	book_fields_read(slot, out);
	/* Relaxed: the acquires before them keep them behind. */
	return at_load(&slot->turn, relaxed, none) == turn && at_load(&slot->state, relaxed, none) == live;
}

/* The same, but a change that is under way is waited for, for a moment. */
static bool slot_read_soon(struct record_slot *slot, uint64_t live, struct book_record *out)
{
	for (int tries = 0; tries < READ_TRIES_MAX; tries++) {
		if (slot_read(slot, live, out))
			return true;
		if ((at_load(&slot->state, relaxed, none) & ~BOOK_BUSY) != live)
			return false;
		at_pause();
	}
	return false;
}

weir_status book_read(struct book *book, weir_grant grant, struct book_record *out)
{
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t generation = grant.handle >> SLOTS_BITS;
	return slot && generation && slot_read_soon(slot, 2 * generation, out) ? WEIR_OK : refused(book, grant);
}

bool book_is_live(struct book *book, weir_grant grant)
{
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t generation = grant.handle >> SLOTS_BITS;
	/* Also while it is changed. Relaxed: nothing of it is read. */
	return slot && generation && (at_load(&slot->state, relaxed, none) & ~BOOK_BUSY) == 2 * generation;
}

void book_each(struct book *book, bool (*fn)(weir_grant grant, const struct book_record *record, void *context),
	       void *context)
{
	uint32_t made = slots_made(&book->slots);
	for (uint32_t number = 0; number < made; number++) {
		struct record_slot *slot = book_slot_at(book, number);
		uint64_t state = at_load(&slot->state, relaxed, none);
		struct book_record record;
		if (state & 1)
			continue;
		state &= ~BOOK_BUSY;
		if (!slot_read_soon(slot, state, &record))
			continue;
		if (!fn((weir_grant){.handle = state / 2 << SLOTS_BITS | number}, &record, context))
			return;
	}
}

uint64_t book_count(struct book *book)
{
	return slots_count(&book->slots);
}
