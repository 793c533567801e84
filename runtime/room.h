/* SPDX-License-Identifier: MIT */
/*
 * room.h - the waiting room: demands that wait, by class, priority and age.
 *
 * Belongs to the holder of admission's token: nothing here is atomic but a waiter's state.
 */
#ifndef WEIR_RUNTIME_ROOM_H
#define WEIR_RUNTIME_ROOM_H

#include "private/atomics.h"
#include "runtime/strategy.h"

enum waiter_state { WAITER_NEW, WAITER_WAITING, WAITER_GRANTED, WAITER_CANCELLED, WAITER_STATES = 4 };

/* A demand on its way through admission; part of a task, or of a ticket. */
struct waiter {
	struct waiter *next;   /* of the arrivals, of its shape, of a batch: one after another */
	struct waiter *last;   /* leader of a shape: its youngest */
	struct waiter *before; /* leaders of a class, in the order of service */
	struct waiter *after;
	struct waiter *chain; /* leaders with the same hash */
	weir_demand demand;
	struct wish wish;
	uint64_t sequence;
	uint64_t since_ns;
	uint32_t overtaken;
	const _Atomic(uint32_t) *cancelled; /* its group's flag; NULL: none */
	_Atomic(uint64_t) state; /* tag x WAITER_STATES + waiter_state; the tag, the owner's, makes it nameable */
	weir_grant grant;
	uint32_t node;
	void (*decided)(struct waiter *waiter); /* the owner's: called by whoever got it in a batch; state says how */
};

enum { ROOM_CHAINS = 1024 };

struct room_class {
	struct waiter *first;
	struct waiter *last;
};

struct room {
	struct room_class service[WEIR_CLASSES]; /* in the order of service */
	struct waiter *shape[ROOM_CHAINS];
	uint64_t sequence;
	uint32_t count;
	uint32_t everywhere; /* waiters that any node would do for */
	uint32_t *at_node;   /* waiters that only this node would do for */
	uint32_t nodes;
};

bool room_init(struct room *room, uint32_t nodes);
void room_fini(struct room *room);

/* The classes in the order of service. */
enum service { SERVICE_CRITICAL, SERVICE_HIGH, SERVICE_NORMAL, SERVICE_BEST_EFFORT };
uint32_t room_service(weir_class task_class);

void room_add(struct room *room, struct waiter *waiter);

/* Remove the oldest of a shape. Its follower leads from now on, at the place of its own age. */
void room_remove(struct room *room, struct waiter *leader);

/* Remove all that are cancelled, by themselves or with their group; they come back linked by next. */
struct waiter *room_sweep(struct room *room);

bool waiter_is_cancelled(const struct waiter *waiter);

static inline enum waiter_state waiter_state(const struct waiter *waiter)
{
	return (enum waiter_state)(at_load(&waiter->state, relaxed, none) % WAITER_STATES);
}

/* From one state to another, the tag stays. False: it was in another state. */
static inline bool waiter_move(struct waiter *waiter, enum waiter_state from, enum waiter_state to)
{
	uint64_t state = at_load(&waiter->state, relaxed, none);
	uint64_t tag = state - state % WAITER_STATES;
	state = tag + from;
	return at_cas(&waiter->state, &state, tag + to, relaxed, relaxed, none);
}

/* Whatever it was. */
static inline void waiter_set(struct waiter *waiter, enum waiter_state to)
{
	uint64_t state = at_load(&waiter->state, relaxed, none);
	at_store(&waiter->state, state - state % WAITER_STATES + to, relaxed, none);
}

#endif
