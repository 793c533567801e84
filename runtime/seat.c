/* SPDX-License-Identifier: MIT */
/* seat.c - lending a worker that sleeps. The protocol is argued in seat.h. */
#include "runtime/seat.h"

#include "private/check.h"
#include "runtime/leftover.h"
#include "runtime/producers.h"
#include "runtime/worker.h"

static struct idlers *idle_of(struct worker *worker)
{
	return &worker->pool->queue[worker->node].idle;
}

void seat_sit(struct worker *worker)
{
	/* ORDER(announce): seq_cst, pairs with worker_anyone_runs(). */
	at_store(&worker->seat, SEAT_AWAKE, seq_cst, announce);
}

void seat_leave(struct worker *worker)
{
	at_store(&worker->seat, SEAT_OUT, relaxed, none);
}

uint32_t seat_sleep(struct worker *worker)
{
	uint32_t lends = at_load(&worker->lends, relaxed, none);
	idlers_announce(idle_of(worker), worker->member);
	/* ORDER(seat): release, pairs with the acquires of who takes the seat: all that we left in it. ORDER(announce): seq_cst, after
	 * the announcement (W10). */
	at_store(&worker->seat, SEAT_ASLEEP, seq_cst, announce);
	return lends;
}

/* Was it lent meanwhile, and does nobody want it now? Who gave it back has looked, and whoever picks it from now on wakes it after
 * our ticket. */
static bool may_sleep_on(struct worker *worker, uint32_t lends)
{
	/* ORDER(announce): seq_cst, as in sleep_for_work() (idle.c). */
	return at_load(&worker->lends, relaxed, none) != lends && idlers_has(idle_of(worker), worker->member) &&
	       !at_load(&worker->pool->stopping, seq_cst, announce);
}

void seat_wake(struct worker *worker, uint32_t lends, bool *lent)
{
	*lent = false;
	for (;;) {
		uint32_t ticket = park_ticket(&worker->park);
		/* ORDER(seat): acquire, pairs with the stores of ASLEEP. ORDER(announce): seq_cst, after the ticket. */
		uint32_t seat = at_load(&worker->seat, seq_cst, announce);
		if (seat == SEAT_ASLEEP && !may_sleep_on(worker, lends)) {
			/* ORDER(seat): acquire, as above. ORDER(announce): seq_cst, pairs with worker_anyone_runs(). */
			if (at_cas(&worker->seat, &seat, SEAT_AWAKE, seq_cst, relaxed, announce))
				return;
			continue;
		}
		/* ORDER(seat): seq_cst, before we sleep: who gives back sees that we have missed a wake. */
		if (seat == SEAT_LENT && !at_cas(&worker->seat, &seat, SEAT_MISSED, seq_cst, relaxed, seat))
			continue;
		*lent = true;
		/* It sleeps on without a time: nobody looks for private work any more, but for who is asked. */
		if (worker_stop_searching(worker))
			worker_ask_for_sleepers(worker->pool);
		lends = at_load(&worker->lends, relaxed, none);
		park_wait(&worker->park, ticket, 0);
	}
}

bool seat_borrow(struct worker *worker, bool *called)
{
	uint32_t seat = SEAT_ASLEEP;
	/* ORDER(seat): acquire, pairs with the stores of ASLEEP. ORDER(announce): seq_cst, pairs with worker_anyone_runs(). */
	if (!at_cas(&worker->seat, &seat, SEAT_LENT, seq_cst, relaxed, announce))
		return false;
	CHECK("W9", !at_load(&worker->root, relaxed, none) && !worker->stolen && !worker->blocked);
	at_store(&worker->lends, at_load(&worker->lends, relaxed, none) + 1, relaxed, none);
	*called = !idlers_retract(idle_of(worker), worker->member);
	/* A hand belongs to a thread, not to a seat: its other threads have it meanwhile. */
	worker->hand = NULL;
	worker_self = worker;
	return true;
}

/* Announce, then look again: as sleep_for_work() (idle.c), for a thread that sleeps already. */
static void go_to_sleep_for(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	uint32_t member = worker->member;
	idlers_announce(idle_of(worker), member);
	/* ORDER(seat): release, pairs with the acquires of who takes the seat. ORDER(announce): seq_cst, after the announcement. */
	at_store(&worker->seat, SEAT_ASLEEP, seq_cst, announce);
	if (!producers_only_mine(pool))
		route_barrier(pool);
	/* Whoever picked it between the two may have woken it too early. */
	bool picked = !idlers_has(idle_of(worker), member);
	bool last = !worker_anyone_runs(pool);
	/* Its thread sleeps without a time, so who has something to do after a time comes round. */
	if (picked || route_any(worker) || (last && leftover_bytes(pool))) {
		(void)idlers_retract(idle_of(worker), member);
		park_wake(&worker->park);
	} else if (!last) {
		worker_ask_for_sleepers(pool);
	}
}

void seat_give_back(struct worker *worker, bool called)
{
	CHECK("W9", worker_self == worker && !at_load(&worker->root, relaxed, none) && !worker->blocked);
	worker_tell(worker);
	worker->search_ns = 0;
	worker->hand = NULL;
	worker_self = NULL;
	uint32_t seat = SEAT_LENT;
	/* ORDER(seat): release, pairs with the acquires of who takes the seat; its thread has not come round, and will. */
	if (called && at_cas(&worker->seat, &seat, SEAT_ASLEEP, seq_cst, relaxed, seat))
		return;
	go_to_sleep_for(worker);
}
