/* SPDX-License-Identifier: MIT */
/*
 * deque.h - a work-stealing deque of pointers: the owner at the new end, everybody else at the old one.
 *
 * After Chase and Lev 2005, in the form of Le, Pop, Cohen and Zappa Nardelli, "Correct and efficient work-stealing for
 * weak memory models" (2013), with ordered operations in place of their fences: ThreadSanitizer does not see fences.
 *
 * Holds:     up to `capacity` pointers that are not NULL; positions top .. bottom - 1, counted up for ever.
 * Invariant: D1  what was pushed comes out exactly once, by pop or by steal.
 *            D2  0 <= bottom - top <= capacity, but for the owner's one step down inside an unfinished pop.
 * Progress:  push and pop are wait-free; steal is one try (wait-free; lock-free over all thieves: a lost race means
 *            that another won).
 * Together:               push/pop   steal, count, any   init/fini
 *            push/pop        X              -               X            "-" safe together
 *            steal...        -              -               X            "X" the caller must exclude
 * Not here:  what the pointers are; growing (a full deque is the caller's decision); who is woken.
 *
 * Why no item is taken twice (D1). The item at b is popped without a compare-and-swap only if the owner, having lowered
 * bottom to b (L, seq_cst), reads top < b (T, seq_cst). A thief of b has read top = b, then bottom > b (B, seq_cst). If
 * L is before B in the one order of these operations, B reads b or what later pushes made of it, in which case b was
 * overwritten by a push and is a new item. If B is before L: the thief read top = b from another thief's exchange X
 * (seq_cst); X happens before B, so X, B, L, T is the order and T reads at least b: a contradiction. The last item (top
 * = b) is decided by the exchange on top. A thief reads the pointer before its exchange, and the owner overwrites a
 * slot only after it saw top beyond it, so an exchange that succeeds has read the right pointer.
 */
#ifndef WEIR_RUNTIME_DEQUE_H
#define WEIR_RUNTIME_DEQUE_H

#include <weir/status.h>

#include "private/atomics.h"
#include "private/check.h"
#include "private/compiler.h"

struct deque {
	/* Thieves write this line, the owner only reads it. */
	CACHE_ALIGNED _Atomic(int64_t) top;
	/* The owner's line. */
	CACHE_ALIGNED _Atomic(int64_t) bottom;
	int64_t capacity; /* a power of two */
	_Atomic(void *) *slot;
};

/* capacity is rounded up to a power of two. Errors: WEIR_EINVAL (0 or above 2^30), WEIR_ENOMEM. */
WEIR_MUST_USE weir_status deque_init(struct deque *d, uint32_t capacity);
void deque_fini(struct deque *d);

/* Owner. False: full, nothing was done. */
static inline bool deque_push(struct deque *d, void *item)
{
	int64_t bottom = at_load(&d->bottom, relaxed, none);
	/* ORDER(deque_slot): acquire, pairs with the exchange in deque_steal(): the thief has read the slot we
	 * overwrite. */
	int64_t top = at_load(&d->top, acquire, deque_slot);
	if (unlikely(bottom - top >= d->capacity))
		return false;
	at_store(&d->slot[bottom & (d->capacity - 1)], item, relaxed, none);
	/* ORDER(deque_item): release, pairs with the load of bottom in deque_steal(): the thief sees slot and item.
	 * ORDER(announce): seq_cst, P of the argument in park.h: the pusher looks for idle workers next. */
	at_store(&d->bottom, bottom + 1, seq_cst, announce);
	return true;
}

/* Owner: the newest item, or NULL. */
static inline void *deque_pop(struct deque *d)
{
	int64_t bottom = at_load(&d->bottom, relaxed, none) - 1;
	if (at_load(&d->top, relaxed, none) > bottom)
		return NULL; /* top only grows: empty now as well */
	/* ORDER(deque_take): seq_cst, L of the argument above, then T. */
	at_store(&d->bottom, bottom, seq_cst, deque_take);
	int64_t top = at_load(&d->top, seq_cst, deque_take);
	if (likely(top < bottom))
		return at_load(&d->slot[bottom & (d->capacity - 1)], relaxed, none);
	void *item = NULL;
	if (top == bottom) {
		/* ORDER(deque_take): seq_cst, X of the argument; whoever moves top has the last item. Failure justifies
		 * no read. */
		if (at_cas(&d->top, &top, top + 1, seq_cst, relaxed, deque_take))
			item = at_load(&d->slot[bottom & (d->capacity - 1)], relaxed, none);
	}
	/* ORDER(deque_item): release, for a thief that reads this value: items below it were pushed before. */
	at_store(&d->bottom, bottom + 1, release, deque_item);
	return item;
}

/* Anyone: the oldest item, or NULL; *raced then says whether another took it in this moment (look again) or there was
 * none. */
static inline void *deque_steal(struct deque *d, bool *raced)
{
	/* ORDER(deque_take): acquire, pairs with the exchange below by which another thief moved top. */
	int64_t top = at_load(&d->top, acquire, deque_take);
	/* ORDER(deque_take): seq_cst, B of the argument. ORDER(deque_item): acquire, pairs with the store in
	 * deque_push(). ORDER(announce): seq_cst, R of the argument in park.h. */
	int64_t bottom = at_load(&d->bottom, seq_cst, deque_take);
	*raced = false;
	if (top >= bottom)
		return NULL;
	void *item = at_load(&d->slot[top & (d->capacity - 1)], relaxed, none);
	/* ORDER(deque_take): seq_cst, X of the argument. ORDER(deque_slot): release, pairs with the load of top in
	 * deque_push(): the slot was read. Failure: somebody else moved top; nothing that was read is used. */
	if (at_cas(&d->top, &top, top + 1, seq_cst, relaxed, deque_take))
		return item;
	*raced = true;
	return NULL;
}

/* A hint: what was there at some moment; while an unfinished pop is under way it may be one too low, never below 0. */
static inline uint32_t deque_count(struct deque *d)
{
	int64_t count = at_load(&d->bottom, relaxed, none) - at_load(&d->top, relaxed, none);
	return count > 0 ? (uint32_t)count : 0;
}

/* Whether a thief may find something: R of the argument in park.h. */
static inline bool deque_any(struct deque *d)
{
	/* ORDER(announce): seq_cst, pairs with the store of bottom in deque_push(). */
	int64_t bottom = at_load(&d->bottom, seq_cst, announce);
	/* ORDER(announce): seq_cst; a top beyond what was pushed means that it was taken. */
	return at_load(&d->top, seq_cst, announce) < bottom;
}

#endif
