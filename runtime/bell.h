/* SPDX-License-Identifier: MIT */
/*
 * bell.h - whether a plain task from outside has to wake a worker at once.
 *
 * Holds:     a thread that goes its rounds while somebody rings, and looks whether what was rung for still lies.
 * Invariant: W12  what was submitted with a ring instead of a wake is taken, or a round that looks at it is to come.
 * Progress:  ringing is wait-free, without a system call; the thread is made once for a pool, by a wait.
 * Together:  all of it, but for create and destroy.
 * Not here:  running what was submitted (guest.c), whom to wake (route.c).
 *
 * Why. To wake a thread on a core that has halted takes an interrupt, in a virtual machine an exit to its host: 5 to 7 us of the
 * submitter's time. Where it waits at once it has run its task itself, in the seat of a worker that sleeps, before that worker
 * is up: the wake was for nothing. It cannot be left out, for the submitter may as well compute for an hour. But it can be put off:
 * a ring is a mark at the submitter's lane, and a thread that comes by every BELL_ROUND_NS wakes a worker for what
 * lay there at two rounds in a row. So it begins after two rounds at most, however much the submitter rings meanwhile, and
 * whatever else keeps its processor: the thread stays off that, if it is of one that rings alone, and wakes a worker that is
 * bound elsewhere, if there is one. It runs as who made the pool did (sched(7)), and so as its workers; it runs no tasks.
 *
 * Rounds cost some microseconds of some processor each. After BELL_QUIET of them without a ring there are no more: who would ring
 * wakes then, and has them begun again when it has waited HABIT_MIN times more. A pool that nobody rings for has no such thread.
 *
 * Who. A thread whose last tasks were each submitted alone, and run by itself as it then waited for them (habit.needed times in a
 * row, or nearly: where a worker was quicker it takes HABIT_SLIP more). When it does something else its one task begins late, unless it
 * submits another: that wakes a worker at once, for both. After each such loss it takes twice as many to be believed again, up to
 * HABIT_MAX; after HABIT_MAX that were right it takes half as many. So in n tasks it loses at most log2(HABIT_MAX / HABIT_MIN) + n /
 * HABIT_MAX times. In what it submits before it waits again, the worker that is bound to its own processor is rung for instead
 * of woken, if nobody else sleeps: it would take the processor from who submits, and others would find nothing meanwhile. Until a
 * round finds something of that: who does not wait for so long may never.
 *
 * Why W12. Shown, then rung; a round clears `rung` before it looks at what is shown: so while `rung` is set a look is to come, and who
 * pushes need not ring again (C of the argument in park.h: seq_cst, all four of show, load, clear, look). Rung, then looked
 * whether somebody watches; who stops to watch says so, then goes one more round that leaves nothing for the next (seq_cst, all
 * four): it finds the ring, or who rings wakes. Only the thread that goes the rounds says that it watches: who has it woken
 * may be kept from that for long. A look that finds something wakes as its push would have (route_wake()). If the
 * producer clears `rung`, that wakes or looks itself. tests/models/bell.pml has it.
 */
#ifndef WEIR_RUNTIME_BELL_H
#define WEIR_RUNTIME_BELL_H

#include "runtime/intake.h"
#include "runtime/pool.h"

#define BELL_ROUND_NS (2 * WEIR_NS_PER_MS)
enum { BELL_QUIET = 10, BELL_NOWHERE = -1 };

/* How a thread is scheduled: those that it makes are as it is. */
struct bell_scheduling {
	int policy, priority, nice;
};

enum bell_state { BELL_NONE, BELL_BEING_MADE, BELL_THERE, BELL_NEVER };

struct bell {
	_Atomic(uint32_t) state;    /* enum bell_state */
	_Atomic(uint32_t) watching; /* rounds are gone; only who goes them writes it */
	_Atomic(uint32_t) stopping;
	/* Of who goes them. */
	int quiet;			   /* how many there were since the last ring */
	int off;			   /* the processor that it stays off; BELL_NOWHERE: none */
	struct bell_scheduling scheduling; /* of who made the pool */
	pthread_t thread;
	CACHE_ALIGNED struct park park;
};

/* For a pool that has guests; by the thread that makes the pool. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status bell_create(weir_pool *pool);
/* Nobody submits, no worker was freed. */
void bell_destroy(weir_pool *pool);

/* What the thread does that goes the rounds, one after another; a test may be that thread itself. */
void bell_begin_rounds(weir_pool *pool);
/* BELL_ROUND_NS after the one before. Is there to be another? */
bool bell_go_round(weir_pool *pool);
void bell_end_rounds(weir_pool *pool);

bool bell_ring(weir_pool *pool, struct intake *in);

/* The calling thread, in's producer, has shown a call, and somebody sleeps. True: nobody has to be woken now. */
static inline bool bell_takes(weir_pool *pool, struct intake *in)
{
	return unlikely(in->habit.alone >= in->habit.needed || in->habit.more) && bell_ring(pool, in);
}

/* The calling thread, in's producer, waits for a group, and has run what it found of it; ran: at least one. Or it was done before. */
void bell_waits(weir_pool *pool, struct intake *in, bool ran);

#endif
