/* SPDX-License-Identifier: MIT */
/*
 * room.h - the waiting room: demands that wait, by class, priority and age.
 *
 * Belongs to the holder of admission's token: nothing here is atomic but a waiter's state.
 */
#ifndef WEIR_RUNTIME_ROOM_H
#define WEIR_RUNTIME_ROOM_H

#include <weir/admission.h>

#include "private/atomics.h"
#include "runtime/slots.h"
#include "runtime/strategy.h"

enum waiter_state {
	WAITER_NEW,
	WAITER_HELD, /* its owner keeps it back, and asks later */
	WAITER_WAITING,
	WAITER_GRANTED,
	WAITER_CANCELLED,
	WAITER_REFUSED, /* it waited, and will not be granted: its cause says why */
	WAITER_STATES = 8
};

/* Above state and tag is the turn: how often it was taken back from a hand (chain.h), so that who had it there exchanges in
 * vain: 21 bits, and for a false hit it would have to sit between two instructions for a multiple of 2^21 of them. */
#define WAITER_TURN (UINT64_C(8) << (64 - SLOTS_BITS))

/* Where the holder of the token has it. */
enum waiter_place {
	PLACE_COMING,  /* it is not fetched yet, or lent to a chain */
	PLACE_LISTED,  /* in the lists of the room */
	PLACE_ASIDE,   /* cancelled, and taken out; it leaves when who cancelled it has said so */
	PLACE_FORGONE, /* who cancelled it has said so, but it is not fetched yet; then it leaves */
};

struct expiry_link {
	struct waiter *up, *left, *right;
};

/* What anybody may read of a waiter that waits (why.c): written as it is pushed, and its order as it is fetched. */
struct waiter_shown {
	_Atomic(uint64_t) main, counted;
	_Atomic(uint64_t) where; /* priority << 32 | (home + 1) << 8 | home_only << 7 | class */
};

_Static_assert(WEIR_NODES_MAX < 1 << 24, "a home fits");

/* A demand on its way through admission; part of a task, or of a ticket. What is touched when a grant is handed on comes
 * first, one line, as in a long queue all of it is cold. */
struct waiter {
	struct waiter *next;	    /* of the arrivals, of its shape, of a batch: one after another */
	_Atomic(uint64_t) state;    /* turn, tag and waiter_state; the tag, the owner's, makes it nameable */
	_Atomic(uint64_t) since_ns; /* shown, too */
	_Atomic(uint64_t) order;    /* shown, too: of its fetch, from 1; 0: not fetched yet */
	_Atomic(void *) whose;	    /* the owner's: what it touches first when the waiter is granted */
	weir_grant grant;
	uint32_t node;
	uint8_t place;			    /* enum waiter_place */
	bool may_be_lent;		    /* to a chain (chain.h) */
	bool is_elastic;		    /* wish.elastic says how */
	bool is_timed;			    /* granted_ns is there: it was granted under the adaptive rule */
	const _Atomic(uint32_t) *cancelled; /* its group's flag; NULL: none */
	struct waiter *last;		    /* leader of a shape: its youngest */
	struct waiter
		*before; /* leaders of a class, in the order of service; a follower: who is before it in its shape */
	struct waiter *after;
	struct waiter *chain;  /* leaders with the same hash */
	struct waiter *cancel; /* who was cancelled before and is not looked at yet */
	struct wish wish;
	struct waiter_shown shown;
	uint64_t expires_ns; /* given up from then on; EXPIRY_NEVER: it waits as long as it takes */
	uint32_t overtaken;  /* at the head of its class: grants of this and lower classes that passed it */
	uint32_t outranked;  /* at the head: grants of higher classes */
	union {
		uint64_t head_since_ns; /* while it waits; 0: it never was */
		uint64_t granted_ns;
	};
	const _Atomic(uint32_t) *holders;	/* of a grant, that wait for its group; NULL: none */
	weir_cause cause;			/* REFUSED: why */
	uint32_t probe;				/* of a breaker; 0: none */
	uint32_t relimits;			/* of admission, before it was found to fit some day */
	bool short_total;			/* a total was short for it when it was tried last */
	bool tells_end;				/* gate_ended() will be called */
	bool is_ahead;				/* counted in gate.ahead */
	void (*decided)(struct waiter *waiter); /* the owner's: called by whoever got it in a batch; state says how */
	struct expiry_link expiry;
	weir_demand demand;
};

enum {
	ROOM_CHAINS = 1024,
	ROOM_LATEST_FIRST = 1024,
	ROOM_LATEST_MAX = 1 << 17, /* a room that is fuller finds the oldest cold */
	ROOM_AHEAD = 16		   /* how far who lends fetches ahead of it */
};

struct room_class {
	struct waiter *first;
	struct waiter *last;
	/* Of each resource no leader wants less than this: where that does not fit, nobody does. It may be too low when some have
	 * left (stale), until a scan that met all says what it found. */
	struct packed least;
	bool stale;
};

/* Of each resource, the less of the two. */
static inline struct packed room_less_of_each(struct packed a, struct packed b)
{
	return (struct packed){.main = word_least(a.main, b.main, WORD_MAIN),
			       .counted = word_least(a.counted, b.counted, WORD_COUNTED)};
}

struct room {
	struct room_class service[WEIR_CLASSES]; /* in the order of service */
	struct waiter *shape[ROOM_CHAINS];
	_Atomic(struct waiter *) heir; /* who leads since the last were lent; to be fetched, may be gone */
	struct waiter **latest;	       /* by order; to be fetched, may be gone; NULL: none yet */
	uint64_t latest_mask;	       /* of the orders */
	uint64_t order;		       /* of the latest */
	uint32_t count;
	uint32_t everywhere; /* waiters that any node would do for */
	uint32_t *at_node;   /* waiters that only this node would do for */
	uint32_t nodes;
};

bool room_init(struct room *room, uint32_t nodes);
void room_fini(struct room *room);

/* Before it is pushed. */
void waiter_show(struct waiter *waiter);

/* The classes in the order of service. */
enum service { SERVICE_CRITICAL, SERVICE_HIGH, SERVICE_NORMAL, SERVICE_BEST_EFFORT };
uint32_t room_service(weir_class task_class);

/* True: it is the first of its shape. */
bool room_add(struct room *room, struct waiter *waiter);

/* Remove one. Where it led a shape, its follower leads from now on, at the place of its own age. */
void room_remove(struct room *room, struct waiter *waiter);

/* Remove all of whom `leaves` says so; they come back linked by next. Who stays may be asked again. */
struct waiter *room_sweep(struct room *room, bool (*leaves)(struct waiter *waiter, void *context), void *context);

/* Who is served first of those who may start on a place; NULL: nobody, or it is not worth a search. */
struct waiter *room_first_at(const struct room *room, uint32_t place);

/* Lending, for chain.h: that one, which must be lendable, and those of its shape who are next, go out of the lists but stay
 * in the counts; oldest first. Returns how many. */
uint32_t room_lend(struct room *room, struct waiter *leader, uint32_t place, struct waiter **out, uint32_t most);
/* Who will lend soon: fetch what that touches. Anybody. */
void room_fetch(struct room *room);
/* Who will lend this one and those after it, so many at most, fetches the first of them, and who leads then. */
void room_fetch_first(const struct room *room, const struct waiter *leader, uint32_t most);
/* Up to so many who came from an order on, of whatever shape: to be fetched, may be gone. In a room of more than ROOM_LATEST_MAX
 * others may stand for the oldest. Returns how many. */
uint32_t room_coming(const struct room *room, uint64_t order, struct waiter **out, uint32_t most);
/* Who will ask for those fetches where they are written down. */
void room_fetch_coming(const struct room *room, uint64_t order, uint32_t most);
/* Some of what was lent at one time go back to their old places. */
void room_take_back(struct room *room, struct waiter **lent, uint32_t count);
/* So many of a shape that were lent are gone. */
void room_lent_gone(struct room *room, uint32_t home, bool home_only, uint32_t number);

/* By itself, or with its group. */
bool waiter_is_cancelled(const struct waiter *waiter);

/* Somebody gives nothing back before it has ended. */
static inline bool waiter_is_waited_for(const struct waiter *waiter)
{
	return waiter->holders && at_load(waiter->holders, relaxed, none);
}

static inline enum waiter_state waiter_state(const struct waiter *waiter)
{
	return (enum waiter_state)(at_load(&waiter->state, relaxed, none) % WAITER_STATES);
}

static inline uint64_t waiter_since_ns(const struct waiter *waiter)
{
	return at_load(&((struct waiter *)waiter)->since_ns, relaxed, none);
}

/* How old it is: less is older. Of one that was fetched. */
static inline uint64_t waiter_order(const struct waiter *waiter)
{
	return at_load(&((struct waiter *)waiter)->order, relaxed, none);
}

/* From one state to another, tag and turn stay. False: it was in another state. */
static inline bool waiter_move(struct waiter *waiter, enum waiter_state from, enum waiter_state to)
{
	uint64_t state = at_load(&waiter->state, relaxed, none);
	uint64_t tag = state - state % WAITER_STATES;
	state = tag + from;
	return at_cas(&waiter->state, &state, tag + to, relaxed, relaxed, none);
}

/* Of one that was lent in this state: give it a grant; take it back, for those who had it in a hand in vain from now on.
 * False: somebody else has decided it, or has it. */
static inline bool waiter_grant_lent(struct waiter *waiter, uint64_t state)
{
	return at_cas(&waiter->state, &state, state + (WAITER_GRANTED - WAITER_WAITING), relaxed, relaxed, none);
}

static inline bool waiter_take_back(struct waiter *waiter, uint64_t state)
{
	uint64_t now = state;
	/* Who has cancelled it has not been met yet: it is in its place until then. */
	return at_cas(&waiter->state, &now, state + WAITER_TURN, relaxed, relaxed, none) ||
	       now == state + (WAITER_CANCELLED - WAITER_WAITING);
}

/* Whatever it was. */
static inline void waiter_set(struct waiter *waiter, enum waiter_state to)
{
	uint64_t state = at_load(&waiter->state, relaxed, none);
	at_store(&waiter->state, state - state % WAITER_STATES + to, relaxed, none);
}

/* Tickets: the number of the waiter's slot, and the tag of this use of it, never 0. */
#define WAITER_TAG_MAX ((UINT64_C(1) << (64 - SLOTS_BITS)) - 1)

static inline uint64_t waiter_ticket(const struct waiter *waiter, uint32_t slot)
{
	return at_load(&waiter->state, relaxed, none) / WAITER_STATES << SLOTS_BITS | slot;
}

static inline uint32_t ticket_slot(uint64_t ticket)
{
	return (uint32_t)ticket & ((UINT32_C(1) << SLOTS_BITS) - 1);
}

static inline uint64_t waiter_state_in_use(uint64_t ticket, enum waiter_state state)
{
	return (ticket >> SLOTS_BITS) * WAITER_STATES + state;
}

/* A new use of the slot: its fields are filled in, its tickets are good from now on, old ones no more. */
static inline void waiter_renew(struct waiter *waiter)
{
	uint64_t state = at_load(&waiter->state, relaxed, none);
	uint64_t tag = state % WAITER_TURN / WAITER_STATES;
	tag = tag < WAITER_TAG_MAX ? tag + 1 : 1;
	/* ORDER(ticket): release, pairs with the acquire in waiter_move_use(): who comes with the new tag finds the waiter of
	 * this use. */
	at_store(&waiter->state, state - state % WAITER_TURN + tag * WAITER_STATES + WAITER_NEW, release, ticket);
}

/* As waiter_move(), but only in the use that the ticket names. */
static inline bool waiter_move_use(struct waiter *waiter, uint64_t ticket, enum waiter_state from, enum waiter_state to)
{
	uint64_t state = at_load(&waiter->state, relaxed, none);
	do {
		if (state % WAITER_TURN != waiter_state_in_use(ticket, from))
			return false;
		/* ORDER(ticket): acquire, pairs with the releases in waiter_renew() and arrive(). */
	} while (!at_cas_weak(&waiter->state, &state, state + to - from, acquire, relaxed, ticket));
	return true;
}

#endif
