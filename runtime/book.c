/* SPDX-License-Identifier: MIT */
/*
 * book.c - who holds what.
 *
 * Holds:     a record for each live grant, in a type-stable slot (slots.c) of one cache line.
 * Invariant: B1  a handle is live from its publish to the one unpublish that wins, and never again.
 *            B2  a record that is read belongs to the handle it was asked for, whole.
 *            B3  0 is no handle; a slot whose generations are used up makes no more.
 * Progress:  lock-free; publish, unpublish and read are wait-free. reserve + publish + unpublish together have one
 *locked instruction, the exchange that decides who unpublishes (and one more per 64 grants for the shared stack).
 * Together:            reserve publish cancel unpublish read each count        "-" safe together
 *            any          -       -      -       -       -    -     -          book_destroy() excludes all
 * Not here:  how much is spare (ledger.c), what a grant is called (names.c).
 *
 * A slot's state is 2 g while its g-th grant is live and 2 g + 1 while it is free or being written, so it only grows.
 *It is a sequence lock whose "odd" is written by unpublish:
 *
 *	unpublish  CAS state 2 g -> 2 g + 1           read   s1 = state, stale if not 2 g
 *	publish    fields (release);                         fields (acquire)
 *	           state = 2 g + 2 (release)                 stale if state is not s1
 *
 * A reader that sees a field of a later grant (acquire) sees what came before it: the odd state, so the second look at
 * state tells. No RCU: slots are type-stable and segments stay.
 */
#include "book.h"

#include <stdlib.h>

#include "private/check.h"
#include "private/error.h"
#include "slots.h"

#ifndef BOOK_GENERATION_BITS
#define BOOK_GENERATION_BITS 40
#endif

#define SLOT_MASK ((UINT64_C(1) << SLOTS_BITS) - 1)
#define GENERATION_MAX ((UINT64_C(1) << BOOK_GENERATION_BITS) - 1)

_Static_assert(SLOTS_BITS + BOOK_GENERATION_BITS <= 64, "a handle has 64 bits");

enum { RECORD_SHIFT = 6 };

struct record_slot {
	_Alignas(CACHE_LINE) struct slot_link link;
	_Atomic(uint64_t) state;
	_Atomic(uint64_t) main;
	_Atomic(uint64_t) counted;
	_Atomic(uint64_t) where; /* name << 32 | memory node << 16 | CPU node */
};

_Static_assert(sizeof(struct record_slot) == 1 << RECORD_SHIFT, "a slot is a cache line");

struct book {
	struct slots slots; /* no other field: a book is its slots */
};

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

static ALWAYS_INLINE struct record_slot *slot_at(struct book *book, uint64_t number)
{
	return slots_at(&book->slots, (uint32_t)number, RECORD_SHIFT);
}

uint32_t book_reserve(struct book *book)
{
	return slots_get(&book->slots);
}

void book_cancel(struct book *book, uint32_t slot)
{
	slots_put(&book->slots, slot);
}

weir_grant book_publish(struct book *book, uint32_t number, const struct book_record *record)
{
	struct record_slot *slot = slot_at(book, number);
	uint64_t state = at_load(&slot->state, relaxed, none);
	DEBUG_CHECK("B1", state & 1);
	DEBUG_CHECK("B2", record->cpu_node <= UINT16_MAX && record->memory_node <= UINT16_MAX);
	uint64_t where = (uint64_t)record->name << 32 | (uint64_t)record->memory_node << 16 | record->cpu_node;
	/* ORDER(book_fields): release, pairs with the acquires in fields_read(): see the head of this file. */
	at_store(&slot->main, record->main, release, book_fields);
	at_store(&slot->counted, record->counted, release, book_fields);
	at_store(&slot->where, where, release, book_fields);
	/* ORDER(book_state): release, pairs with the acquires in unpublish, read and each: live means fields are whole.
	 */
	at_store(&slot->state, state + 1, release, book_state);
	return (weir_grant){.handle = (state + 1) / 2 << SLOTS_BITS | number};
}

static ALWAYS_INLINE void fields_read(struct record_slot *slot, struct book_record *out)
{
	/* ORDER(book_fields): acquire, pairs with the releases in book_publish(). */
	out->main = at_load(&slot->main, acquire, book_fields);
	out->counted = at_load(&slot->counted, acquire, book_fields);
	uint64_t where = at_load(&slot->where, acquire, book_fields);
	out->cpu_node = (uint16_t)where;
	out->memory_node = (uint16_t)(where >> 16);
	out->name = (uint32_t)(where >> 32);
}

static COLD weir_status stale(weir_grant grant)
{
	return error_set(WEIR_ESTALE, "grant %#llx: given back before, or never taken here",
			 (unsigned long long)grant.handle);
}

weir_status book_unpublish(struct book *book, weir_grant grant, struct book_record *out)
{
	uint64_t number = grant.handle & SLOT_MASK;
	uint64_t generation = grant.handle >> SLOTS_BITS;
	struct record_slot *slot = slot_at(book, number);
	uint64_t live = 2 * generation;
	/* ORDER(book_state): acquire, pairs with the release in book_publish(): the fields are this grant's. Failure is
	 * relaxed: nothing is read then. */
	if (unlikely(!slot || !at_cas(&slot->state, &live, live + 1, acquire, relaxed, book_state)))
		return stale(grant);
	/* From here the slot is ours alone: nobody writes it until it is put. */
	fields_read(slot, out);
	if (unlikely(generation >= GENERATION_MAX))
		slots_retire(&book->slots);
	else
		slots_put(&book->slots, (uint32_t)number);
	return WEIR_OK;
}

/* Read a slot that should be in state `live`. False if it is not, or changed meanwhile. */
static bool slot_read(struct record_slot *slot, uint64_t live, struct book_record *out)
{
	/* ORDER(book_state): acquire, pairs with the release in book_publish(): fields as old as this state, or
	 * younger. */
	if (at_load(&slot->state, acquire, book_state) != live)
		return false;
	fields_read(slot, out);
	/* Relaxed: the acquires before it keep it behind them. */
	return at_load(&slot->state, relaxed, none) == live;
}

weir_status book_read(struct book *book, weir_grant grant, struct book_record *out)
{
	struct record_slot *slot = slot_at(book, grant.handle & SLOT_MASK);
	uint64_t generation = grant.handle >> SLOTS_BITS;
	if (!slot || !generation || !slot_read(slot, 2 * generation, out))
		return stale(grant);
	return WEIR_OK;
}

void book_each(struct book *book, bool (*fn)(weir_grant grant, const struct book_record *record, void *context),
	       void *context)
{
	/* Relaxed: what was made before this call began, by whoever told us so, is below it. */
	uint32_t made = at_load(&book->slots.made, relaxed, none);
	for (uint32_t number = 0; number < made; number++) {
		struct record_slot *slot = slot_at(book, number);
		uint64_t state = slot ? at_load(&slot->state, relaxed, none) : 1;
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
