/* SPDX-License-Identifier: MIT */
/*
 * book.h - who holds what: the record of every live grant, found by its handle.
 *
 * A handle is 24 bits of slot and 40 bits of generation, never 0, and never the same for two grants of one book; generations
 * begin elsewhere in each book, so that a handle of another matches a live one here by 1 in 2^39 (slots_create()). So a
 * stale one is known for what it is. Order of use: reserve, take from the ledger, publish; unpublish, give to the
 * ledger.
 */
#ifndef WEIR_BOOK_H
#define WEIR_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/resource.h>

#include "private/check.h"
#include "private/seed.h"
#include "runtime/slots.h"

struct book;

/* What a grant took: the ledger's words as they were taken, and where from. The book only keeps it. */
struct book_record {
	uint64_t main;
	uint64_t counted;
	uint32_t cpu_node;    /* below 4,096 */
	uint32_t memory_node; /* below 4,096 */
	uint32_t name;	      /* names_number() of its id, 0: none */
};

#define BOOK_FULL UINT32_MAX

/* grants_max: how many grants can be live at once; other threads' caches can add to it (slots.c, S2 and S3).
 * Errors: WEIR_ENOMEM. */
weir_status book_create(struct book **out, uint32_t grants_max);
void book_destroy(struct book *book);

/* The record of a live grant. Errors: WEIR_ESTALE. */
weir_status book_read(struct book *book, weir_grant grant, struct book_record *out);

/* Was it published, and not unpublished since? However often it is changed meanwhile. */
bool book_is_live(struct book *book, weir_grant grant);

/* Call fn for each live grant until it returns false; fn may unpublish and publish. A walk, not a snapshot: off by what
 * overlaps it. */
void book_each(struct book *book, bool (*fn)(weir_grant grant, const struct book_record *record, void *context),
	       void *context);

/* Grants that are live or reserved. Exact at rest. */
uint64_t book_count(struct book *book);

/* The hot path, to be inlined where it is called: the argument is in book.c. ----------------------------------- */

#ifndef BOOK_GENERATION_BITS
#define BOOK_GENERATION_BITS 40
#endif

#define BOOK_SLOT_MASK ((UINT64_C(1) << SLOTS_BITS) - 1)
#define BOOK_GENERATION_LAST ((UINT64_C(1) << BOOK_GENERATION_BITS) - 1)

_Static_assert(SLOTS_BITS + BOOK_GENERATION_BITS <= 64, "a handle has 64 bits");

enum { BOOK_RECORD_SHIFT = 6 };

/* state: 2 g while the g-th grant is live, with BOOK_BUSY while its record is changed, and BOOK_GIVEN if it was unpublished
 * meanwhile; 2 g + 1 while the slot is free or being written. */
#define BOOK_BUSY (UINT64_C(1) << 63)
#define BOOK_GIVEN (UINT64_C(1) << 62)

struct record_slot {
	_Alignas(CACHE_LINE) struct slot_link link;
	_Atomic(uint64_t) state;
	_Atomic(uint64_t) main;
	_Atomic(uint64_t) counted;
	_Atomic(uint64_t) where; /* book_where() */
	_Atomic(uint32_t) turn;	 /* counts the changes of records, so that a reader of two of them knows */
};

_Static_assert(BOOK_GENERATION_BITS + 1 < 62, "a generation leaves the top bits of state clear");
_Static_assert(sizeof(struct record_slot) == 1 << BOOK_RECORD_SHIFT, "a slot is a cache line");

/* Where a grant is, and whose: 0-11 CPU node, 12-23 memory node, 24-34 owner (thread_index_plus_one of who may release it
 * without a locked instruction, 0: nobody), 36-61 name, 63: something counted. */
_Static_assert(WEIR_NODES_MAX <= 1 << 12 && THREADS_MAX + 1 < 1 << 11 && SLOTS_BITS <= 26, "they fit");

/* Of a grant that has no name and nothing counted, all of it of one node. */
static ALWAYS_INLINE uint64_t book_where(uint32_t node, uint32_t owner)
{
	return (uint64_t)owner << 24 | (uint64_t)node << 12 | node;
}

#define WHERE_COUNTED (UINT64_C(1) << 63)

static ALWAYS_INLINE uint64_t book_where_of(const struct book_record *record, uint32_t owner)
{
	return (record->counted ? WHERE_COUNTED : 0) | (uint64_t)record->name << 36 | (uint64_t)owner << 24 |
	       (uint64_t)record->memory_node << 12 | record->cpu_node;
}

static ALWAYS_INLINE uint32_t where_cpu_node(uint64_t where)
{
	return where & 0xfff;
}

static ALWAYS_INLINE uint32_t where_memory_node(uint64_t where)
{
	return where >> 12 & 0xfff;
}

static ALWAYS_INLINE uint32_t where_owner(uint64_t where)
{
	return where >> 24 & 0x7ff;
}

static ALWAYS_INLINE uint64_t where_owned_by(uint64_t where, uint32_t owner)
{
	return (where & ~(UINT64_C(0x7ff) << 24)) | (uint64_t)owner << 24;
}

static ALWAYS_INLINE uint32_t where_name(uint64_t where)
{
	return where >> 36 & 0x3ffffff;
}

struct book {
	struct slots slots; /* no other field: a book is its slots */
};

static ALWAYS_INLINE struct record_slot *book_slot_at(struct book *book, uint32_t number)
{
	return slots_at(&book->slots, number, BOOK_RECORD_SHIFT);
}

/* Of a handle that may never have been given out: NULL if there is no such slot. */
static ALWAYS_INLINE struct record_slot *book_slot_of(struct book *book, weir_grant grant)
{
	return slots_find(&book->slots, (uint32_t)(grant.handle & BOOK_SLOT_MASK), BOOK_RECORD_SHIFT);
}

/* A slot for a grant to come, the caller's until book_publish() or book_cancel(); BOOK_FULL if grants_max are live. */
static ALWAYS_INLINE uint32_t book_reserve(struct book *book)
{
	return slots_get(&book->slots);
}

/* The same from a cache of which slots_at_hand() is true; calls nothing. */
static ALWAYS_INLINE uint32_t book_reserve_at_hand(struct slot_cache *cache)
{
	return slots_get_at_hand(cache);
}

static ALWAYS_INLINE void book_cancel(struct book *book, uint32_t slot)
{
	slots_put(&book->slots, slot);
}

/* The handle that book_publish() will give a reserved slot. */
static ALWAYS_INLINE weir_grant book_handle(struct book *book, uint32_t number)
{
	uint64_t state = at_load(&book_slot_at(book, number)->state, relaxed, none);
	return (weir_grant){.handle = (state + 1) / 2 << SLOTS_BITS | number};
}

/* Of a cache's attention: how many are at the owner's slots, and flags; above them what credits.c has there. */
#define BOOK_BIAS UINT64_C(0xffffffff)
#define BOOK_BIAS_OFF (UINT64_C(1) << 31)   /* a barrier has passed since the owner could see it on */
#define BOOK_BIAS_NEVER (UINT64_C(1) << 30) /* no membarrier here */

/* Of a cache's busy: the owner is at the book alone, not at its credit. The rest is the number of the slot, plus 1. */
#define BOOK_BUSY_ALONE (UINT32_C(1) << 31)

/* For book_publish_for(): the calling thread, if it may release what it takes without a locked instruction; else 0. */
static ALWAYS_INLINE uint32_t book_owner(struct slot_cache *cache)
{
	if (likely(!(at_load(&cache->attention, relaxed, none) & BOOK_BIAS)))
		return thread_index_plus_one;
	cache->bias_waited++;
	return 0;
}

/* Is it time to look whether book_owner() may name the calling thread again? */
static ALWAYS_INLINE bool book_bias_is_due(struct slot_cache *cache)
{
	return unlikely(at_load(&cache->attention, relaxed, none) & BOOK_BIAS) &&
	       unlikely(cache->bias_waited >= cache->bias_wait);
}

/* The same where nothing is at hand: finds the cache, and looks. */
uint32_t book_owner_slow(struct book *book);

/* From here on the grant can be read, walked over and unpublished by anyone. owner: of book_owner(). Where takers are
 * seldom those who release, 0 is cheaper: what has an owner costs others a barrier in all threads, now and then. */
static ALWAYS_INLINE weir_grant book_publish_at(struct book *book, uint32_t number, uint64_t main, uint64_t counted,
						uint64_t where)
{
	struct record_slot *slot = book_slot_at(book, number);
	uint64_t state = at_load(&slot->state, relaxed, none);
	DEBUG_CHECK("B1", state & 1);
	/* ORDER(book_fields): release, pairs with the acquires in book_fields_read(): see the head of book.c. */
	at_store(&slot->main, main, release, book_fields);
	at_store(&slot->counted, counted, release, book_fields);
	at_store(&slot->where, where, release, book_fields);
	/* ORDER(book_state): release, pairs with the acquires in unpublish and slot_read(): live, so fields are
	 * whole. */
	at_store(&slot->state, state + 1, release, book_state);
	return (weir_grant){.handle = (state + 1) << (SLOTS_BITS - 1) | number};
}

static ALWAYS_INLINE weir_grant book_publish_for(struct book *book, uint32_t number, const struct book_record *record,
						 uint32_t owner)
{
	DEBUG_CHECK("B2", record->cpu_node < 1 << 12 && record->memory_node < 1 << 12);
	return book_publish_at(book, number, record->main, record->counted, book_where_of(record, owner));
}

static ALWAYS_INLINE weir_grant book_publish(struct book *book, uint32_t number, const struct book_record *record)
{
	return book_publish_for(book, number, record, 0);
}

static ALWAYS_INLINE void book_fields_read(struct record_slot *slot, struct book_record *out)
{
	/* ORDER(book_fields): acquire, pairs with the releases in book_publish(). */
	out->main = at_load(&slot->main, acquire, book_fields);
	out->counted = at_load(&slot->counted, acquire, book_fields);
	uint64_t where = at_load(&slot->where, acquire, book_fields);
	out->cpu_node = where_cpu_node(where);
	out->memory_node = where_memory_node(where);
	out->name = where_name(where);
}

/* Strike a grant out; *out is what it held, for the ledger. Exactly one caller wins; if its record is being
 * changed at that moment, whoever changes it gives it back, and *out is nothing. Errors: WEIR_ESTALE for all others. */
weir_status book_unpublish(struct book *book, weir_grant grant, struct book_record *out);

/* Change what a live grant holds: *out is what it held; the caller calls book_changed() at once. Errors: WEIR_ESTALE;
 * WEIR_EBUSY: somebody else is at it. */
weir_status book_begin_change(struct book *book, weir_grant grant, struct book_record *out);

/* What it holds from now on. True: it was unpublished meanwhile, and the caller gives back all of it. */
bool book_changed(struct book *book, weir_grant grant, uint64_t main, uint64_t counted);

/* Units of the record of a handle, without a look whether it is live. False: there is no such slot. */
static ALWAYS_INLINE bool book_glance(struct book *book, weir_grant grant, uint64_t *main, uint64_t *counted)
{
	struct record_slot *slot = book_slot_of(book, grant);
	if (unlikely(!slot))
		return false;
	*main = at_load(&slot->main, relaxed, none);
	*counted = at_load(&slot->counted, relaxed, none);
	return true;
}

/* A live grant goes on under a new handle, with the record that it has, if it holds just that. False: it does not, or is not
 * live, or its slot makes no more handles; it stays what it was. */
bool book_renew(struct book *book, weir_grant *grant, uint64_t main, uint64_t counted);

/* May the calling thread, whose cache it is (or NULL), renew a grant that it has just renewed so many times by book_renew_own()? */
static ALWAYS_INLINE bool book_owns(struct record_slot *slot, const struct slot_cache *cache, weir_grant grant,
				    uint32_t times)
{
	return cache && where_owner(at_load(&slot->where, relaxed, none)) == thread_index_plus_one &&
	       (grant.handle >> SLOTS_BITS) + times < BOOK_GENERATION_LAST;
}

/* The same as book_renew(), of a grant that book_owns() was true of; slot: of the grant, cache: the caller's. False: nothing
 * happened, and book_renew() must be called next. */
static ALWAYS_INLINE bool book_renew_own(struct record_slot *slot, struct slot_cache *cache, weir_grant *grant,
					 uint64_t main, uint64_t counted)
{
	uint64_t live = grant->handle >> SLOTS_BITS << 1;
	/* See "Bias" in book.c: others who want to strike it out, or change it, see us at it, and are too late. With others at
	 * work book_renew() decides: what it held may be changed between two looks of ours. Relaxed: while it is live under this
	 * handle its owner is who made the handle, the caller. */
	at_store(&cache->busy, (uint32_t)((grant->handle & BOOK_SLOT_MASK) + 1) | BOOK_BUSY_ALONE, relaxed, none);
	at_signal_fence();
	bool won = likely(!(at_load(&cache->attention, relaxed, none) & BOOK_BIAS)) &&
		   likely(at_load(&slot->state, relaxed, none) == live) &&
		   likely(at_load(&slot->main, relaxed, none) == main) &&
		   likely(at_load(&slot->counted, relaxed, none) == counted);
	if (likely(won))
		/* ORDER(book_state): release, as in book_renew(). */
		at_store(&slot->state, live + 2, release, book_state);
	/* ORDER(bias): release, pairs with the acquire in change_foreign(). */
	at_store(&cache->busy, 0, release, bias);
	if (likely(won))
		grant->handle += UINT64_C(1) << SLOTS_BITS;
	return won;
}

/* The hot path of giving back, in parts that call nothing. */

/* A slot that is live under this handle, and that may go to *cache at *free. NULL: it takes book_unpublish(). */
static ALWAYS_INLINE struct record_slot *book_find_simple(struct book *book, weir_grant grant,
							  struct slot_cache **cache, uint64_t *free)
{
	struct record_slot *slot = book_slot_of(book, grant);
	if (unlikely(!slot))
		return NULL;
	*cache = slots_room_at_hand(&book->slots, free);
	if (unlikely(!*cache))
		return NULL;
	if (unlikely(grant.handle >= BOOK_GENERATION_LAST << SLOTS_BITS))
		return NULL;
	/* ORDER(book_state): acquire, pairs with the release in book_publish_at(): no older fields than this grant's. */
	if (unlikely(at_load(&slot->state, acquire, book_state) != grant.handle >> SLOTS_BITS << 1))
		return NULL;
	return slot;
}

/* The owner is at it: see "Bias" in book.c. Then what wants attention is looked at, then the slot is freed. Relaxed: the
 * barrier of who looks puts our store before the load, or the load after his store. */
static ALWAYS_INLINE uint64_t book_enter(struct slot_cache *cache, weir_grant grant)
{
	SEED_EARLY(at_store(&cache->busy, (uint32_t)(grant.handle & BOOK_SLOT_MASK) + 1, relaxed, none));
	at_signal_fence();
	/* ORDER(credits): acquire, pairs with the release in arm(): it was emptied before. */
	return at_load(&cache->attention, acquire, credits);
}

static ALWAYS_INLINE void book_free(struct record_slot *slot, struct slot_cache *cache, uint64_t free, weir_grant grant)
{
	at_store(&slot->state, at_load(&slot->state, relaxed, none) + 1, relaxed, none);
	slots_put_at_hand(cache, free, (uint32_t)(grant.handle & BOOK_SLOT_MASK));
}

static ALWAYS_INLINE void book_leave(struct slot_cache *cache)
{
	/* ORDER(bias): release, pairs with the acquire in change_foreign(): it sees that the grant is out. */
	at_store(&cache->busy, 0, release, bias);
	at_signal_fence();
}

#endif
