/* SPDX-License-Identifier: MIT */
/*
 * inbox.h - a lock-free queue of type-stable nodes for many producers and many consumers, oldest first.
 *
 * Holds:     no memory of its own: node i has its link at base + i * stride. A node may be taken, reused and pushed
 *            again at any moment, but its memory must stay what it is while the inbox lives.
 * Invariant: I1  what was pushed is taken exactly once.
 *            I2  inbox_any() is false only if at some moment inside the call each node whose push came before it (in
 *                the order of the seq_cst operations) had been taken or was about to be returned to a consumer.
 *            I3  what one inbox_take() gathers comes out in the order of the pushes, and before everything pushed
 *                later, save what consumers that were inside inbox_take() at that moment had gathered.
 * Progress:  push, take and any are lock-free, whoever is descheduled. A consumer that is descheduled while it turns a
 *            batch round delays that batch; everything pushed later goes on.
 * Together:  all of it, with all of it, except init; but a node is pushed only by who holds it.
 * Not here:  what a node is, who is woken.
 *
 * Two stacks. Producers push on `arrivals`. Consumers pop from `ordered`; who finds it empty takes all arrivals at
 * once, turns them round, keeps the oldest and puts the rest on `ordered`.
 *
 * ABA. `arrivals` is popped only by taking everything, so a push that finds the same head again links to what is there
 * now. `ordered` is popped one at a time: the popper reads the head's link, and meanwhile the head may be taken, reused
 * and be head again with another link. Each pop counts up a tag beside the head, so the exchange of the late popper
 * fails (32 bits: it would have to be late by exactly a multiple of 2^32 pops). The link of a node that is no longer
 * ours may be read, as the memory is type-stable; the value is then thrown away.
 *
 * Seeing everything (I2). A node moves arrivals -> a consumer's hands -> ordered. `turning` counts the consumers that
 * have some in their hands; it is raised before the taking and lowered after the putting. inbox_any() looks in the
 * direction of motion, arrivals, turning, ordered, each sequentially consistent: a node that it missed in one it meets
 * in the next. So a worker that announces itself idle and then looks again (park.h) cannot sleep while another sits on
 * a batch; it may find true and inbox_take() empty for as long as the turning lasts.
 */
#ifndef WEIR_RUNTIME_INBOX_H
#define WEIR_RUNTIME_INBOX_H

#include "private/atomics.h"
#include "private/compiler.h"

#define INBOX_EMPTY UINT32_MAX

/* What a node gives to the inbox while it is in there. */
struct inbox_link {
	_Atomic(uint32_t) next;
};

struct inbox {
	char *base;
	size_t stride;
	CACHE_ALIGNED _Atomic(uint32_t) arrivals; /* the newest */
	CACHE_ALIGNED _Atomic(uint64_t) ordered;  /* tag << 32 | the oldest */
	_Atomic(uint32_t) turning;
};

/* base: where node 0 has its link; aligned for it, as is stride. Nodes have numbers below INBOX_EMPTY. */
void inbox_init(struct inbox *b, void *base, size_t stride);

/* True: it looked empty before, so perhaps nobody is on the way here. */
bool inbox_push(struct inbox *b, uint32_t index);

/* The oldest, or INBOX_EMPTY. */
uint32_t inbox_take(struct inbox *b);

/* Whether there may be something: R of the argument in park.h. No false "no" (I2). */
static inline bool inbox_any(struct inbox *b)
{
	/* ORDER(announce): seq_cst, R of the argument in park.h; pairs with the push. */
	if (at_load(&b->arrivals, seq_cst, announce) != INBOX_EMPTY)
		return true;
	/* ORDER(inbox_turn): seq_cst, after the load of arrivals, before that of ordered (I2). */
	if (at_load(&b->turning, seq_cst, inbox_turn))
		return true;
	/* ORDER(inbox_turn): seq_cst, the last of the three (I2). */
	return (uint32_t)at_load(&b->ordered, seq_cst, inbox_turn) != INBOX_EMPTY;
}

/* The same as a hint: it may miss what is on the way. */
static inline bool inbox_hint(struct inbox *b)
{
	return at_load(&b->arrivals, relaxed, none) != INBOX_EMPTY ||
	       (uint32_t)at_load(&b->ordered, relaxed, none) != INBOX_EMPTY;
}

#endif
