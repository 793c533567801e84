/* SPDX-License-Identifier: MIT */
/*
 * bell.h - whether a plain task from outside has to wake a worker at once.
 *
 * Holds:     a thread that sleeps on the processor of whoever rings it, and looks whether what was submitted still lies.
 * Invariant: W12  what was submitted with a ring instead of a wake is taken, or a look of the bell that follows is to come.
 * Progress:  ringing is wait-free (a system call or two); a thread is made once for a pool, by a wait.
 * Together:  all of it, but for create and destroy.
 * Not here:  running what was submitted (guest.c), whom to wake (route.c).
 *
 * Why. To wake a thread on a core that has halted takes an interrupt, in a virtual machine an exit to its host: 5 to 7 us of the
 * submitter's time. Where it waits at once it has run its task itself, in the seat of a worker that sleeps, before that worker
 * is up: the wake was for nothing. It cannot be left out, for the submitter may as well compute for an hour. But a thread that is bound
 * to the submitter's own processor is woken by putting it into that processor's queue, without any interrupt, and it comes round
 * as soon as the submitter sleeps, or at the end of its time slice. That is the bell. It runs nothing: if the task lies there still
 * it wakes a worker.
 *
 * Who. A thread whose last tasks were each submitted alone, and run by itself as it then waited for them (habit.needed times in a
 * row). When it does something else it loses a time slice, 5 ms, of the one task, unless it submits another: that wakes a worker
 * at once, for both. After each such loss it takes twice as many to be believed again, so in n tasks it loses a slice log2(n) times.
 * In what it submits before it waits again, the worker that is bound to its own processor is rung for instead of woken, if nobody else
 * sleeps: it would take the processor from who submits, and others would find nothing meanwhile.
 *
 * Why W12. Shown, then rung; the bell takes its ticket, then looks at what is shown, then sleeps on that ticket. So a ring follows the
 * ticket, and ends the sleep on it (P1); or the ticket is of after the ring, and the look finds the call, or it was taken. A
 * look that finds it wakes as its push would have (route_wake(), C of the argument in park.h). Only what was rung for is looked at.
 * The bell clears `rung` before it looks, so while it is set a look is to come, and who pushes need not ring again (C as well: seq_cst,
 * all four of show, load, clear, look). If the producer clears it, that wakes or looks itself. tests/models/bell.pml has it.
 */
#ifndef WEIR_RUNTIME_BELL_H
#define WEIR_RUNTIME_BELL_H

#include "runtime/intake.h"
#include "runtime/pool.h"

/* For one that it will run itself, or for more than that. */
enum rung { RUNG_NOT, RUNG_ALONE, RUNG_MORE };

struct bell {
	_Atomic(uint32_t) state;   /* enum bell_state (bell.c) */
	_Atomic(uint32_t) is_meek; /* it takes nobody's processor */
	_Atomic(int) processor;	   /* where it is bound to; -1: nowhere yet */
	_Atomic(uint32_t) stopping;
	pthread_t thread;
	CACHE_ALIGNED struct park park;
};

/* For a pool that has guests. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status bell_create(weir_pool *pool);
/* Nobody submits, no worker was freed. */
void bell_destroy(weir_pool *pool);

bool bell_ring(weir_pool *pool, struct intake *in);

/* The calling thread, in's producer, has shown a call, and somebody sleeps. True: nobody has to be woken now. */
static inline bool bell_takes(weir_pool *pool, struct intake *in)
{
	return unlikely(in->habit.alone >= in->habit.needed || in->habit.more) && bell_ring(pool, in);
}

/* The calling thread, in's producer, waits for a group, and has run what it found of it; ran: at least one. */
void bell_waits(weir_pool *pool, struct intake *in, bool ran);

#endif
