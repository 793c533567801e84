/* SPDX-License-Identifier: MIT */
/*
 * park.h - sleeping until somebody wakes you, and the set of those who may be woken.
 *
 * Holds:     park: one event count (Concurrency Kit's ck_ec32; its only home). idlers: one bit per worker of a node.
 * Invariant: P1  a wake that follows a ticket ends the wait on that ticket: no wake is lost.
 *            P2  an announcement is taken back exactly once: by one pick, or by its owner's retract.
 * Progress:  ticket, wake, announce, retract, any are wait-free (wake does a system call if somebody sleeps); pick is
 *            lock-free. park_wait blocks.
 * Together:  all of it, with all of it, except init and fini.
 * Not here:  what is waited for, whom to wake first, how long to spin before (worker).
 *
 * Announce, then look again: the one argument why no work is left lying while a worker sleeps (edge `announce`).
 *
 *	worker                                  pusher
 *	t = park_ticket(p)
 *	A: idlers_announce(s, i)                P: put the work where workers look
 *	R: look at all those places again       C: idlers_any(s), or idlers_pick(s)
 *	   found: retract, run it                  picked i: park_wake(p of i)
 *	   none:  park_wait(p, t)
 *
 * A, R, P and C are sequentially consistent, so they have one order that all agree on. If C comes after A, the pusher
 * finds the worker (or another pusher already took it and wakes it) and wakes it; the wake follows the ticket, as the
 * ticket was read before A and the pick read A, so the worker does not sleep (P1). If C comes before A, then P, C, A, R
 * is the order and R finds the work. With anything weaker on any one of the four - the *load* C or R included - a store
 * may still sit in its core's buffer while both loads miss: the worker sleeps beside the work. Where a place is looked
 * at in several loads (inbox), each must be sequentially consistent and the place says in which order they are made.
 *
 * A worker whose announcement was picked (retract says false) has been or will be woken once: it takes a new ticket
 * before it announces again, so a late wake costs one turn of its loop and nothing else.
 */
#ifndef WEIR_RUNTIME_PARK_H
#define WEIR_RUNTIME_PARK_H

#include <ck_ec.h>

#include <weir/status.h>

#include "private/atomics.h"
#include "private/compiler.h"

/* Must outlive every wake: a waker may touch it after the woken one went on. */
struct park {
	struct ck_ec32 count;
	_Atomic(uint32_t) wakes; /* what ThreadSanitizer sees of `count`; hands the waker's writes over */
};

void park_init(struct park *p);

/* Everything that is woken from now on ends a wait on this ticket. Good for 2^31 wakes. */
static inline uint32_t park_ticket(struct park *p)
{
	return ck_ec_value(&p->count);
}

/* Sleep until a wake after the ticket or, if timeout_ns is not 0, until it is over. The caller looks for itself which.
 */
void park_wait(struct park *p, uint32_t ticket, uint64_t timeout_ns);

/* End every wait on a ticket taken before. No system call while nobody sleeps. */
void park_wake(struct park *p);

/* A set of workers, by number, that have nothing to do. 512 of them to a cache line. */
struct idlers {
	uint32_t words;
	_Atomic(uint32_t) announced; /* at least as many as are in it */
	_Atomic(uint64_t) *word;
};

/* Room for members 0 .. capacity - 1. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status idlers_init(struct idlers *s, uint32_t capacity);
void idlers_fini(struct idlers *s);

static inline void idlers_announce(struct idlers *s, uint32_t i)
{
	/* ORDER(announce): seq_cst, both, A of the argument above; pairs with idlers_any() and idlers_pick(). */
	at_add(&s->announced, 1, seq_cst, announce);
	at_or(&s->word[i / 64], UINT64_C(1) << (i % 64), seq_cst, announce);
}

/* Whether it was still announced. False: somebody picked it, and wakes it or has woken it. */
static inline bool idlers_retract(struct idlers *s, uint32_t i)
{
	uint64_t bit = UINT64_C(1) << (i % 64);
	/* ORDER(announce): acquire, pairs with the announce; of two that clear the bit one sees it set (P2). */
	bool was = at_and(&s->word[i / 64], ~bit, acquire, announce) & bit;
	if (was)
		at_sub(&s->announced, 1, relaxed, none);
	return was;
}

/* Is it announced? After a ticket: who picks it later wakes it after that. */
static inline bool idlers_has(struct idlers *s, uint32_t i)
{
	/* ORDER(announce): seq_cst, after the ticket. */
	return at_load(&s->word[i / 64], seq_cst, announce) >> (i % 64) & 1;
}

static inline bool idlers_any(struct idlers *s)
{
	/* ORDER(announce): seq_cst, C of the argument above. */
	return at_load(&s->announced, seq_cst, announce) != 0;
}

/* Take one out of the set and return its number, the lowest first so that the others sleep long; -1: nobody idles. */
int idlers_pick(struct idlers *s);

/* The same, but member i only if there is nobody else. */
int idlers_pick_but(struct idlers *s, uint32_t i);

#endif
