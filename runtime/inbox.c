/* SPDX-License-Identifier: MIT */
/* inbox.c - push, take, and turning a batch round. The protocol is argued in inbox.h. */
#include "runtime/inbox.h"

#include "private/check.h"

enum { POP_PAUSES_MAX = 128 };

static inline struct inbox_link *link_of(struct inbox *b, uint32_t index)
{
	return (struct inbox_link *)(void *)(b->base + (size_t)index * b->stride);
}

static inline uint32_t next_of(struct inbox *b, uint32_t index)
{
	return at_load(&link_of(b, index)->next, relaxed, none);
}

static inline void set_next(struct inbox *b, uint32_t index, uint32_t next)
{
	at_store(&link_of(b, index)->next, next, relaxed, none);
}

void inbox_init(struct inbox *b, void *base, size_t stride)
{
	b->base = base;
	b->stride = stride;
	at_init(&b->arrivals, INBOX_EMPTY);
	at_init(&b->ordered, INBOX_EMPTY);
	at_init(&b->turning, 0);
}

bool inbox_push(struct inbox *b, uint32_t index)
{
	CHECK("I1", index != INBOX_EMPTY);
	uint32_t head = at_load(&b->arrivals, relaxed, none);
	do {
		set_next(b, index, head);
		/*
		 * ORDER(inbox_node): release, pairs with the exchange in gather(): who takes the node sees its link and
		 * what the producer wrote. ORDER(announce): seq_cst, P of the argument in park.h. Failure only tries
		 * again.
		 */
	} while (!at_cas_weak(&b->arrivals, &head, index, seq_cst, relaxed, announce));
	return head == INBOX_EMPTY && (uint32_t)at_load(&b->ordered, relaxed, none) == INBOX_EMPTY;
}

/* Pop one from `ordered`. Where many come for a few, most of them fail with each that is taken: so they come back later and later. */
static uint32_t pop(struct inbox *b)
{
	/* ORDER(inbox_node): acquire, pairs with the release in put(); later pops continue its release sequence. */
	uint64_t head = at_load(&b->ordered, acquire, inbox_node);
	for (uint32_t pauses = 1;; pauses = pauses < POP_PAUSES_MAX ? 2 * pauses : pauses) {
		uint32_t index = (uint32_t)head;
		if (index == INBOX_EMPTY)
			return INBOX_EMPTY;
		uint64_t rest = ((head >> 32) + 1) << 32 | next_of(b, index);
		/* ORDER(inbox_node): acquire; success meets what was read before, by its tag the very same. */
		if (at_cas_weak(&b->ordered, &head, rest, acquire, relaxed, inbox_node))
			return index;
		for (uint32_t i = 0; i < pauses; i++)
			at_pause();
		/* ORDER(inbox_node): acquire, as above: a new head, whose link is read next. */
		head = at_load(&b->ordered, acquire, inbox_node);
	}
}

/* Put a chain on `ordered`, in front of what another consumer may have put there since. */
static void put(struct inbox *b, uint32_t first, uint32_t last)
{
	uint64_t head = at_load(&b->ordered, relaxed, none);
	do {
		set_next(b, last, (uint32_t)head);
		/*
		 * ORDER(inbox_node): release, pairs with the acquire in pop(): links, and what the producers wrote,
		 * which gather() acquired. ORDER(inbox_turn): seq_cst, before `turning` is lowered (I2). The tag stays:
		 * only pops can be late. Failure only tries again; what was below keeps its own release sequence.
		 */
	} while (
		!at_cas_weak(&b->ordered, &head, (head & ~(uint64_t)UINT32_MAX) | first, seq_cst, relaxed, inbox_turn));
}

/* Take all arrivals, return the oldest, put the rest on `ordered`. */
static uint32_t gather(struct inbox *b)
{
	if (at_load(&b->arrivals, relaxed, none) == INBOX_EMPTY)
		return INBOX_EMPTY;
	/* ORDER(inbox_turn): seq_cst, before anything leaves `arrivals` (I2). */
	at_add(&b->turning, 1, seq_cst, inbox_turn);
	/* ORDER(inbox_node): acquire, pairs with the release in inbox_push(). ORDER(inbox_turn): seq_cst (I2). */
	uint32_t newest = at_swap(&b->arrivals, INBOX_EMPTY, seq_cst, inbox_turn);
	uint32_t oldest = newest;
	if (newest != INBOX_EMPTY) {
		uint32_t rest = INBOX_EMPTY; /* what is younger than `oldest`, in order */
		for (uint32_t next; (next = next_of(b, oldest)) != INBOX_EMPTY; oldest = next) {
			set_next(b, oldest, rest);
			rest = oldest;
		}
		if (rest != INBOX_EMPTY)
			put(b, rest, newest);
	}
	/* ORDER(inbox_turn): seq_cst, after the putting (I2). */
	at_sub(&b->turning, 1, seq_cst, inbox_turn);
	return oldest;
}

uint32_t inbox_take(struct inbox *b)
{
	uint32_t index = pop(b);
	return likely(index != INBOX_EMPTY) ? index : gather(b);
}
