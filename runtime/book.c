/* SPDX-License-Identifier: MIT */
/*
 * book.c - who holds what.
 *
 * Holds:     a record for each live grant, in a type-stable slot (slots.c) of one cache line.
 * Invariant: B1  a handle is live from its publish to the one unpublish that wins, and never again.
 *            B2  a record that is read belongs to the handle it was asked for, whole.
 *            B3  0 is no handle; a slot whose generations are used up makes no more.
 * Progress:  lock-free; read is wait-free. reserve + publish + unpublish together have one locked instruction, the
 *            exchange that decides who unpublishes (and one more per 64 grants, for the shared stack).
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
 * A reader that sees a field of a later grant (acquire) sees what came before it: the odd state, so the second look at
 * state tells. No RCU: slots are type-stable and segments stay.
 */
#include "runtime/book.h"

#include "private/error.h"

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

weir_status book_unpublish(struct book *book, weir_grant grant, struct book_record *out)
{
	struct record_slot *slot = book_slot_of(book, grant);
	uint64_t generation = grant.handle >> SLOTS_BITS;
	uint64_t live = 2 * generation;
	/* ORDER(book_state): acquire, pairs with the release in book_publish(): the fields are this grant's. Failure is
	 * relaxed: nothing is read then. */
	if (!slot || !at_cas(&slot->state, &live, live + 1, acquire, relaxed, book_state)) {
		stale(grant);
		return WEIR_ESTALE;
	}
	/* From here the slot is ours alone: nobody writes it until it is put. */
	book_fields_read(slot, out);
	if (generation >= BOOK_GENERATION_LAST)
		slots_retire(&book->slots);
	else
		slots_put(&book->slots, (uint32_t)(grant.handle & BOOK_SLOT_MASK));
	return WEIR_OK;
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
