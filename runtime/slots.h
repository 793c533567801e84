/* SPDX-License-Identifier: MIT */
/*
 * slots.h - type-stable slots by number: the memory of a slot is only ever a slot, so that who holds an old number may
 * look at it. slots_get() and slots_put() are a few plain instructions on the calling thread's own cache.
 *
 * The first bytes of a slot are a struct slot_link. All functions: any thread, lock-free, but slots_create() and
 * slots_destroy(), which need the slots for themselves.
 */
#ifndef WEIR_SLOTS_H
#define WEIR_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/status.h>

#include "private/atomics.h"
#include "private/compiler.h"
#include "private/thread.h"

#define SLOTS_BITS 24
#define SLOTS_NONE UINT32_MAX

enum {
	SLOTS_SEGMENT_BITS = 10,
	SLOTS_SEGMENT = 1 << SLOTS_SEGMENT_BITS,
	SLOTS_SEGMENTS = 1 << (SLOTS_BITS - SLOTS_SEGMENT_BITS),
	SLOTS_MAX = (1 << SLOTS_BITS) - 1, /* one number less than 24 bits have: 0 means "none" in the stack's head */
	SLOTS_BATCH = 64,		   /* what moves between a cache and the shared stack at once */
	SLOTS_CACHE_MAX = 2 * SLOTS_BATCH
};

/* A chain is a list of free slots by `next`; the shared stack is a list of chains by `next_chain` of their first slots.
 */
struct slot_link {
	uint32_t next; /* whoever owns the chain may use it */
	_Atomic(uint32_t) next_chain;
};

/* The free slots that one thread number has at hand. Only its holder writes; others read the state to count.
 * state: drawn << 32 | free. drawn: slots taken from the stack, or newly made, less those put there, modulo 2^32. So
 * drawn - free are what this number got less what it put, and a get or a put changes one word by one. */
struct slot_cache {
	_Alignas(CACHE_LINE) _Atomic(uint64_t) state;
	/* For the book (book.c, "Bias") and for credits (credits.c). */
	_Atomic(uint64_t) attention; /* 0: nobody wants anything of the holder */
	_Atomic(uint32_t) busy;	     /* what the holder is at, 0: nothing */
	uint32_t skip;		     /* gives that pass before the holder looks whether it may keep one */
	_Atomic(uint64_t) kept;	     /* amounts in its credit */
	_Atomic(uint64_t) quota;     /* that may be there */
	_Atomic(uint64_t) where;     /* as of the grants that it is good for */
	uint32_t bias_wait;	     /* publishes before the bias is tried again */
	uint32_t bias_waited;	     /* of these */
	bool fetched;		     /* what the next spill writes to, since it spilled or ran empty */
	uint32_t slot[SLOTS_CACHE_MAX];
};

struct slots {
	/* Read-mostly. */
	uint32_t live_max;
	uint32_t cache_max;  /* 0: no caches, every slot comes from the stack and goes there */
	uint32_t cache_low;  /* one less: whose cache is as full will spill half of it soon, and fetches that */
	uint32_t slot_shift; /* a slot has 1 << slot_shift bytes */
	uint32_t made_max;   /* numbers end below it */
	uint64_t attention;  /* what a cache's is at first */
	void (*slot_init)(void *slot, uint32_t number, uint64_t generation);
	uint64_t generation; /* see slots_create() */
	char *flat;	     /* one range for all segments; NULL: each has its own */
	size_t flat_bytes;
	/* By thread_index_plus_one: the first, for threads that have not asked for a number yet, and the last, for
	 * those that were given none, stay NULL. */
	_Atomic(struct slot_cache *) cache[THREADS_MAX + 2];
	_Atomic(char *) segment[SLOTS_SEGMENTS];
	/* Written by slow paths. */
	_Alignas(CACHE_LINE) _Atomic(uint64_t) stack; /* tag << SLOTS_BITS | number of the top + 1; 0 there: empty */
	_Alignas(CACHE_LINE) _Atomic(uint32_t) made;  /* slots below it exist */
	_Atomic(uint32_t) retired;
	_Atomic(uint32_t) drawn; /* as in a cache, by threads that have none */
	_Atomic(uint32_t) end;	 /* cache[] is NULL from here on */
};

/* slot_size: a power of two, at least 64. slot_init makes a new slot's fields. generation: of 39 bits, where those of these slots
 * may begin: in each struct slots somewhere else, so that a handle of one is hardly ever live in another. A foreign handle whose
 * slot is in use here matches it by 1 in 2^39. Errors: WEIR_ENOMEM. */
weir_status slots_create(struct slots **out, uint32_t live_max, uint32_t slot_size,
			 void (*slot_init)(void *slot, uint32_t number, uint64_t generation));
/* The same in one range of addresses, for what finds slot n at base + n * slot_size. Reserved, and neither used nor charged (nor may it
 * be looked at) before a slot of its segment is made. New slots are zero. */
weir_status slots_create_flat(struct slots **out, uint32_t live_max, uint32_t slot_size);
void slots_destroy(struct slots *slots);

/* Where slot 0 of a flat one is. */
static inline void *slots_base(struct slots *slots)
{
	return slots->flat;
}

/* Numbers below it have been made at some time. */
static inline uint32_t slots_made(struct slots *slots)
{
	/* ORDER(slots_made): acquire, pairs with the exchange in make_slots(): the segments of slots below it are
	 * there. */
	return at_load(&slots->made, acquire, slots_made);
}

/* Slots in use: got and neither put nor retired. Exact at rest. */
uint64_t slots_count(struct slots *slots);

/* A slot that was got will not be put: it makes room for a new one. */
void slots_retire(struct slots *slots);

/* The calling thread's cache, made if it has none; NULL without number or memory, or where caches are off. */
struct slot_cache *slots_own_cache(struct slots *slots);

uint32_t slots_get_slow(struct slots *slots);
void slots_put_slow(struct slots *slots, uint32_t number);

/* The slot of a number that exists: that was got once. */
static ALWAYS_INLINE void *slots_at(struct slots *slots, uint32_t number, uint32_t slot_shift)
{
	/* ORDER(slots_segment): acquire, pairs with the release in make_segment(): the slots' first contents. */
	char *segment = at_load(&slots->segment[number >> SLOTS_SEGMENT_BITS], acquire, slots_segment);
	return segment + ((size_t)(number & (SLOTS_SEGMENT - 1)) << slot_shift);
}

/* The slot of any number below 1 << SLOTS_BITS; NULL if there never was one. */
static ALWAYS_INLINE void *slots_find(struct slots *slots, uint32_t number, uint32_t slot_shift)
{
	/* ORDER(slots_segment): acquire, as in slots_at(). */
	char *segment = at_load(&slots->segment[number >> SLOTS_SEGMENT_BITS], acquire, slots_segment);
	return likely(segment) ? segment + ((size_t)(number & (SLOTS_SEGMENT - 1)) << slot_shift) : NULL;
}

/* The calling thread's cache: NULL before its first slow path, and for threads without number. Relaxed: only the
 * number's holders store it, and edge thread_index orders these. */
static ALWAYS_INLINE struct slot_cache *slots_cache(struct slots *slots)
{
	return at_load(&slots->cache[thread_index_plus_one], relaxed, none);
}

/* Has the calling thread's cache (or NULL) a free slot? */
static ALWAYS_INLINE bool slots_at_hand(struct slot_cache *cache)
{
	return likely(cache) && likely((uint32_t)at_load(&cache->state, relaxed, none));
}

/* A free slot from a cache that has one, now the caller's. Calls nothing. */
static ALWAYS_INLINE uint32_t slots_get_at_hand(struct slot_cache *cache)
{
	uint64_t state = at_load(&cache->state, relaxed, none) - 1;
	at_store(&cache->state, state, relaxed, none);
	return cache->slot[(uint32_t)state];
}

/* Is there room for one more slot in the calling thread's cache? Then it is returned with its state. Calls nothing. */
static ALWAYS_INLINE struct slot_cache *slots_room_at_hand(struct slots *slots, uint64_t *state)
{
	struct slot_cache *cache = slots_cache(slots);
	*state = 0;
	if (unlikely(!cache))
		return NULL;
	*state = at_load(&cache->state, relaxed, none);
	return likely((uint32_t)*state < slots->cache_max) ? cache : NULL;
}

/* Put a slot where slots_room_at_hand() found room. */
static ALWAYS_INLINE void slots_put_at_hand(struct slot_cache *cache, uint64_t state, uint32_t number)
{
	cache->slot[(uint32_t)state] = number;
	at_store(&cache->state, state + 1, relaxed, none);
}

/* A free slot, now the caller's; SLOTS_NONE: live_max are in use (or the host has no memory). */
static ALWAYS_INLINE uint32_t slots_get(struct slots *slots)
{
	struct slot_cache *cache = slots_cache(slots);
	return slots_at_hand(cache) ? slots_get_at_hand(cache) : slots_get_slow(slots);
}

/* Give a slot back. */
static ALWAYS_INLINE void slots_put(struct slots *slots, uint32_t number)
{
	struct slot_cache *cache = slots_cache(slots);
	uint64_t state = likely(cache) ? at_load(&cache->state, relaxed, none) : UINT32_MAX;
	if (likely((uint32_t)state < slots->cache_low))
		slots_put_at_hand(cache, state, number);
	else
		slots_put_slow(slots, number);
}

#endif
