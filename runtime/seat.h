/* SPDX-License-Identifier: MIT */
/*
 * seat.h - a worker that sleeps lends itself: a thread outside that waits is that worker for a while.
 *
 * Holds:     worker->seat, the one word that says who a struct worker belongs to.
 * Invariant: W9   no two threads are the same worker.
 *            W10  a seat that is ASLEEP is announced as idle, or a wake is on its way to its thread, which has not come round
 *                 since. One that is LENT is not announced, but for the moment in which it is given back.
 *            W11  while somebody sleeps, and somebody awake or lent may fork, somebody is the searcher, or who forks was asked.
 * Progress:  borrowing and giving back are wait-free (giving back may put a barrier into all threads); a worker's thread sleeps
 *            while its seat is lent.
 * Together:  all of it.
 * Not here:  who borrows, and what is run meanwhile (guest.c); how long a worker looks before it sleeps (idle.c).
 *
 *	worker's thread                          guest
 *	AWAKE -> ASLEEP  announced before;       ASLEEP -> LENT   by exchange; retracts the announcement. Was it there? If not,
 *	                 then it looks again                      somebody picked the worker for some work: `called`
 *	ASLEEP -> AWAKE  by exchange; it came    (it works)
 *	                 round                   LENT -> ASLEEP   by exchange, if `called`: the wake is still on its way
 *	LENT -> MISSED   by exchange; it came    else -> ASLEEP   announced before; then it looks again, and wakes the worker if
 *	                 round, sleeps on                         there is something
 *
 * Why W9. Only who exchanged ASLEEP for AWAKE or LENT is the worker, until it stores ASLEEP again.
 *
 * Why no work lies while all sleep. A push picks an announcement, and wakes that worker's thread. If that comes round to a seat that
 * is ASLEEP, it takes it and looks. If it comes round to one that is LENT, its wake is lost on it: so it leaves MISSED, and the guest
 * looks when it gives back (announce, ASLEEP, look: park.h's argument, with the guest in the worker's place). And a guest that
 * found no announcement hands the call on to another sleeper, if there is work that it does not take itself: it is as if the worker
 * had come round and found something to do. If there is nobody else, the seat that is lent is a worker at work: work waits for its
 * end, and is found by its look.
 * Announced comes before ASLEEP: the other way round a guest could borrow a worker whose announcement is still to come, and who
 * picks that later wakes a thread that goes back to sleep. Between the two a seat that is given back is announced and LENT still: a
 * pick in this moment may wake its thread too early. So who gives back looks whether the announcement is there yet, and if not
 * wakes the thread once more. tests/models/guest.pml has it, with what fails when a part is left out.
 *
 * A worker's thread whose seat was lent meanwhile sleeps on if its announcement is there: nobody wants it. So a wake for work
 * that a guest has run does not cost a search for work.
 * It sleeps on without a time then; if it was the searcher (idle.c), nobody is any more, so it has those asked who run (W11).
 */
#ifndef WEIR_RUNTIME_SEAT_H
#define WEIR_RUNTIME_SEAT_H

#include "runtime/pool.h"

/* OUT: no seat, as before its thread begins, at rest, after its end. From AWAKE on somebody is at work, or looks for it. */
enum seat { SEAT_OUT, SEAT_ASLEEP, SEAT_AWAKE, SEAT_LENT, SEAT_MISSED };

static inline bool seat_is_taken(struct worker *worker)
{
	return at_load(&worker->seat, relaxed, none) >= SEAT_AWAKE;
}

/* The worker's thread: it sits down, from OUT. */
void seat_sit(struct worker *worker);
/* It has none any more. */
void seat_leave(struct worker *worker);

/* The worker's thread, AWAKE: announce it as idle; from here on it may be lent. Returns what seat_wake() wants. */
uint32_t seat_sleep(struct worker *worker);

/* The worker's thread, ASLEEP, before it does anything else: it is to go on. Returns when nobody borrows it; lent: it was, so that
 * it has slept longer than it wanted. It is AWAKE, and may still be announced. */
void seat_wake(struct worker *worker, uint32_t lends, bool *lent);

/* The calling thread is this worker from now on. called: somebody has woken it, and relies on it. False: it does not sleep. */
bool seat_borrow(struct worker *worker, bool *called);

/* And no more: the worker sleeps. It holds nothing but what may lie in its queues. */
void seat_give_back(struct worker *worker, bool called);

#endif
