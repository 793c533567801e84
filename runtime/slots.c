/* SPDX-License-Identifier: MIT */
/*
 * slots.c - type-stable slots by number: segments, the shared stack of free ones, and the threads' caches.
 *
 * Holds:     segments of 1,024 slots, made as needed (or one reserved range) and kept until slots_destroy(): a
 *            directory entry goes from NULL to a segment once and stays, so that readers need no RCU section.
 * Invariant: S1  a number is in one place: in use, in one cache, or in one chain of the stack (or retired).
 *            S2  as long as fewer than live_max are in use, whoever asks gets one (memory and 24 bits permitting).
 *            S3  live_max is passed at most by what other threads' caches held.
 * Progress:  lock-free.
 * Together:  all but create and destroy.
 * Not here:  what a slot means (book.c, names.c).
 *
 * Why S2 and S3. Up to live_max slots are made without asking. Then a thread that finds its cache and the stack empty
 * adds up what is in use: below live_max, some cache has slots that lie idle, and it makes one slot more rather than
 * take them from their owner, which would cost every owner a locked instruction. So a live_max is always reachable, one
 * thread alone is bounded exactly, and at most (threads - 1) * cache_max slots can be in use beyond it. Slots made
 * never pass live_max + retired + threads * (cache_max + one chain in transit): each is made at a time when fewer than
 * live_max were in use and the stack was empty. A number's cache outlives its thread and serves the next holder of the
 * number. Books of fewer than 64 slots per thread number have small caches or none, and are then bounded exactly.
 *
 * The stack is Treiber's, of chains: its head carries a 40-bit tag against ABA, and slots are type-stable, so a popper
 * that lost may read a stale next_chain, which the exchange then refuses.
 */
#include "runtime/slots.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "private/check.h"
#include "private/error.h"

enum { HEAD_MASK = (1 << SLOTS_BITS) - 1 };
#define GENERATION_MASK ((UINT64_C(1) << (63 - SLOTS_BITS)) - 1) /* half of all, so that none is soon used up */

/* The same in each run of a program that makes the same, and far from each other: splitmix64 of a count. */
static uint64_t next_generation(void)
{
	static _Atomic(uint64_t) count;
	uint64_t z = (at_add(&count, 1, relaxed, none) + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) & GENERATION_MASK;
}

static struct slot_link *link_of(struct slots *slots, uint32_t number)
{
	return slots_at(slots, number, slots->slot_shift);
}

weir_status slots_create(struct slots **out, uint32_t live_max, uint32_t slot_size,
			 void (*slot_init)(void *slot, uint32_t number, uint64_t generation))
{
	*out = NULL;
	struct slots *slots = aligned_alloc(CACHE_LINE, sizeof(*slots));
	if (!slots)
		return error_set(WEIR_ENOMEM, "no memory for a directory of slots");
	memset(slots, 0, sizeof(*slots));
	slots->live_max = live_max < SLOTS_MAX ? live_max : SLOTS_MAX;
	uint32_t share = slots->live_max / THREADS_MAX;
	slots->cache_max = share < SLOTS_CACHE_MAX ? share : SLOTS_CACHE_MAX;
	slots->cache_low = slots->cache_max ? slots->cache_max - 1 : 0;
	slots->slot_shift = (uint32_t)__builtin_ctz(slot_size);
	slots->slot_init = slot_init;
	slots->generation = next_generation();
	slots->made_max = SLOTS_MAX;
	*out = slots;
	return WEIR_OK;
}

weir_status slots_create_flat(struct slots **out, uint32_t live_max, uint32_t slot_size)
{
	weir_status status = slots_create(out, live_max, slot_size, NULL);
	if (status)
		return status;
	struct slots *slots = *out;
	/* S3: what the caches of all threads may hold beyond live_max. */
	uint64_t most = (uint64_t)slots->live_max + (uint64_t)THREADS_MAX * (slots->cache_max + SLOTS_BATCH);
	uint32_t segments = (uint32_t)((most + SLOTS_SEGMENT - 1) / SLOTS_SEGMENT);
	segments = segments < SLOTS_SEGMENTS ? segments : SLOTS_SEGMENTS;
	slots->flat_bytes = segments * ((size_t)SLOTS_SEGMENT << slots->slot_shift);
	/* Not writable before it is needed: where the kernel overcommits nothing (vm.overcommit_memory 2), what is writable is charged. */
	void *flat = mmap(NULL, slots->flat_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (flat == MAP_FAILED) {
		size_t bytes = slots->flat_bytes;
		slots_destroy(slots);
		*out = NULL;
		return error_set(
			WEIR_ENOMEM,
			"no %zu bytes of address space for slots: raise RLIMIT_AS (ulimit -v), or lower how many "
			"tasks, grants or waiters there may be",
			bytes);
	}
	slots->flat = flat;
	slots->made_max = segments * SLOTS_SEGMENT < SLOTS_MAX ? segments * SLOTS_SEGMENT : SLOTS_MAX;
	return WEIR_OK;
}

void slots_destroy(struct slots *slots)
{
	if (!slots)
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(slots->cache); i++)
		free(at_load(&slots->cache[i], relaxed, none));
	for (size_t i = 0; !slots->flat && i < ARRAY_LENGTH(slots->segment); i++)
		free(at_load(&slots->segment[i], relaxed, none));
	if (slots->flat)
		munmap(slots->flat, slots->flat_bytes);
	free(slots);
}

uint64_t slots_count(struct slots *slots)
{
	uint32_t count = at_load(&slots->drawn, relaxed, none);
	for (size_t i = 1; i <= THREADS_MAX; i++) {
		/* ORDER(slots_cache): acquire, pairs with the release in slots_own_cache(): a cache starts at zero. */
		struct slot_cache *cache = at_load(&slots->cache[i], acquire, slots_cache);
		uint64_t state = cache ? at_load(&cache->state, relaxed, none) : 0;
		count += (uint32_t)(state >> 32) - (uint32_t)state;
	}
	/* A slot put by one thread and got by another meanwhile can be seen put only. */
	return (int32_t)count < 0 ? 0 : count;
}

struct slot_cache *slots_own_cache(struct slots *slots)
{
	uint32_t index = thread_index();
	struct slot_cache *cache = slots_cache(slots);
	if (cache || !slots->cache_max || index >= THREADS_MAX)
		return cache;
	cache = aligned_alloc(CACHE_LINE, sizeof(*cache));
	if (!cache)
		return NULL;
	memset(cache, 0, sizeof(*cache));
	at_init(&cache->attention, slots->attention);
	at_init(&cache->where, UINT64_MAX);
	uint32_t end = at_load(&slots->end, relaxed, none);
	while (end < index + 2 && !at_cas_weak(&slots->end, &end, index + 2, relaxed, relaxed, none))
		;
	/* ORDER(slots_cache): release, pairs with the acquire in slots_count(). */
	at_store(&slots->cache[index + 1], cache, release, slots_cache);
	return cache;
}

/* Count slots as drawn by the calling thread; `held` of them are in its cache now. */
static void draw(struct slots *slots, struct slot_cache *cache, int32_t drawn, int32_t held)
{
	if (cache) {
		uint64_t state = at_load(&cache->state, relaxed, none);
		uint32_t drawn_before = (uint32_t)(state >> 32), held_before = (uint32_t)state;
		state = (uint64_t)(drawn_before + (uint32_t)drawn) << 32 | (held_before + (uint32_t)held);
		at_store(&cache->state, state, relaxed, none);
	} else {
		at_add(&slots->drawn, (uint32_t)drawn, relaxed, none);
	}
}

static void push_chain(struct slots *slots, uint32_t first)
{
	struct slot_link *link = link_of(slots, first);
	uint64_t head = at_load(&slots->stack, relaxed, none);
	uint64_t wanted;
	do {
		at_store(&link->next_chain, (uint32_t)(head & HEAD_MASK), relaxed, none);
		wanted = ((head >> SLOTS_BITS) + 1) << SLOTS_BITS | (first + 1);
		/* ORDER(slots_stack): release, pairs with the acquires in pop_chain(): the chain's links, and all that
		 * was done to its slots. Later pushes and pops are exchanges, so they carry it on. */
	} while (!at_cas_weak(&slots->stack, &head, wanted, release, relaxed, slots_stack));
}

static uint32_t pop_chain(struct slots *slots)
{
	/* ORDER(slots_stack): acquire, both here and in the failed exchange, which is the next round's load: next_chain
	 * of the slot that `head` names is read below. */
	uint64_t head = at_load(&slots->stack, acquire, slots_stack);
	while (head & HEAD_MASK) {
		uint32_t first = (uint32_t)(head & HEAD_MASK) - 1;
		uint32_t next = at_load(&link_of(slots, first)->next_chain, relaxed, none);
		uint64_t wanted = ((head >> SLOTS_BITS) + 1) << SLOTS_BITS | next;
		/* ORDER(slots_stack): acquire on failure as above; success needs no more than the load gave. */
		if (at_cas_weak(&slots->stack, &head, wanted, acquire, acquire, slots_stack))
			return first;
	}
	return SLOTS_NONE;
}

/* Its part of the range, zero; the same if several threads do it at once. Numbers are made in order, so what is writable is one mapping. */
static char *open_segment(struct slots *slots, uint32_t number)
{
	size_t bytes = (size_t)SLOTS_SEGMENT << slots->slot_shift;
	char *segment = slots->flat + (number >> SLOTS_SEGMENT_BITS) * bytes;
	return mprotect(segment, bytes, PROT_READ | PROT_WRITE) == 0 ? segment : NULL;
}

static char *new_segment(struct slots *slots, uint32_t number)
{
	size_t bytes = (size_t)SLOTS_SEGMENT << slots->slot_shift;
	char *segment = aligned_alloc((size_t)1 << slots->slot_shift, bytes);
	if (!segment)
		return NULL;
	memset(segment, 0, bytes);
	uint32_t base = number & ~(uint32_t)(SLOTS_SEGMENT - 1);
	for (uint32_t i = 0; i < SLOTS_SEGMENT; i++)
		slots->slot_init(segment + ((size_t)i << slots->slot_shift), base + i, slots->generation);
	return segment;
}

/* Make sure that the segment of a number is there. False: no memory. */
static bool make_segment(struct slots *slots, uint32_t number)
{
	_Atomic(char *) *place = &slots->segment[number >> SLOTS_SEGMENT_BITS];
	if (at_load(place, relaxed, none))
		return true;
	char *segment = slots->flat ? open_segment(slots, number) : new_segment(slots, number);
	if (!segment)
		return false;
	char *none = NULL;
	/* ORDER(slots_segment): release, pairs with the acquire in slots_at(). Failure: another thread's segment is
	 * there, and slots_at() will acquire it. */
	if (!at_cas(place, &none, segment, release, relaxed, slots_segment) && !slots->flat)
		free(segment);
	return true;
}

/* Make up to `wanted` new slots, a run of numbers within one segment. Returns how many, from *first on. */
static uint32_t make_slots(struct slots *slots, uint32_t wanted, uint32_t *first)
{
	/* ORDER(slots_made): acquire here and in the failed exchange, pairs with the release in the exchange: whoever
	 * made the slots below `made` has counted itself in before, so one room left does not make two slots. */
	uint32_t made = at_load(&slots->made, acquire, slots_made);
	uint32_t count;
	do {
		uint32_t unasked = slots->live_max + at_load(&slots->retired, relaxed, none);
		uint32_t segment_left = SLOTS_SEGMENT - (made & (SLOTS_SEGMENT - 1));
		if (made >= slots->made_max)
			return 0;
		count = wanted < segment_left ? wanted : segment_left;
		if (count > slots->made_max - made)
			count = slots->made_max - made;
		if (made >= unasked) {
			/* The caller has counted its slot in: see S2. */
			if (slots_count(slots) > slots->live_max)
				return 0;
			count = 1;
		} else if (count > unasked - made) {
			count = unasked - made;
		}
		if (!make_segment(slots, made))
			return 0;
		/* ORDER(slots_made): acq_rel, see above. */
	} while (!at_cas_weak(&slots->made, &made, made + count, acq_rel, acquire, slots_made));
	*first = made;
	return count;
}

/* Keep a chain's first slot for the caller, who has drawn it, and put the rest where it belongs. */
static void keep_rest(struct slots *slots, struct slot_cache *cache, uint32_t first)
{
	uint32_t rest = link_of(slots, first)->next;
	int32_t kept = 0;
	for (; cache && rest != SLOTS_NONE && kept < (int32_t)slots->cache_max; rest = link_of(slots, rest)->next)
		cache->slot[kept++] = rest;
	if (kept)
		draw(slots, cache, kept, kept);
	if (rest != SLOTS_NONE)
		push_chain(slots, rest);
}

NOINLINE uint32_t slots_get_slow(struct slots *slots)
{
	struct slot_cache *cache = slots_own_cache(slots);
	/* A thread that has its number only now finds what the number's last holder left. */
	if (slots_at_hand(cache))
		return slots_get_at_hand(cache);
	if (cache)
		cache->fetched = false;
	/* Counted before it is had: see slots_made. */
	draw(slots, cache, 1, 0);
	uint32_t first = pop_chain(slots);
	if (first != SLOTS_NONE) {
		keep_rest(slots, cache, first);
		return first;
	}
	int32_t count = (int32_t)make_slots(slots, cache ? (slots->cache_max + 1) / 2 : 1, &first);
	if (count <= 1) {
		if (!count)
			draw(slots, cache, -1, 0);
		return count ? first : SLOTS_NONE;
	}
	/* The lowest comes first, so that a book with few grants stays in few pages. */
	for (int32_t i = 1; i < count; i++)
		cache->slot[i - 1] = first + (uint32_t)(count - i);
	draw(slots, cache, count - 1, count - 1);
	return first;
}

/* Link `count` slots of a list to a chain. */
static uint32_t chain(struct slots *slots, const uint32_t *slot, uint32_t count)
{
	uint32_t next = SLOTS_NONE;
	while (count--) {
		link_of(slots, slot[count])->next = next;
		next = slot[count];
	}
	return next;
}

/* The next put will spill. The stack is the other threads' as well; the slots were put a while ago, so they are not at hand any more,
 * and stores into them wait for one another. Once: who puts and gets by turns at the brim comes here each time. */
static void fetch_for_spill(struct slots *slots, struct slot_cache *cache)
{
	if (cache->fetched)
		return;
	cache->fetched = true;
	__builtin_prefetch(&slots->stack, 1);
	for (uint32_t i = 0; i < (slots->cache_max + 1) / 2; i++)
		__builtin_prefetch(link_of(slots, cache->slot[i]), 1);
}

NOINLINE void slots_put_slow(struct slots *slots, uint32_t number)
{
	CHECK("S1", number < at_load(&slots->made, relaxed, none));
	struct slot_cache *cache = slots_own_cache(slots);
	uint32_t held = cache ? (uint32_t)at_load(&cache->state, relaxed, none) : 0;
	if (!cache) {
		push_chain(slots, chain(slots, &number, 1));
		draw(slots, cache, -1, 0);
		return;
	}
	if (held >= slots->cache_max) {
		/* The older half goes: the younger is warm. */
		uint32_t spilled = (held + 1) / 2;
		push_chain(slots, chain(slots, cache->slot, spilled));
		held -= spilled;
		cache->fetched = false;
		memmove(cache->slot, cache->slot + spilled, held * sizeof(cache->slot[0]));
		draw(slots, cache, -(int32_t)spilled, -(int32_t)spilled);
	}
	cache->slot[held] = number;
	draw(slots, cache, 0, 1);
	if (held == slots->cache_low)
		fetch_for_spill(slots, cache);
}

void slots_retire(struct slots *slots)
{
	at_add(&slots->retired, 1, relaxed, none);
	draw(slots, slots_cache(slots), -1, 0);
}
