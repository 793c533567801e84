/* SPDX-License-Identifier: MIT */
/*
 * intake.h - a producer lane: a queue of calls that one thread writes and any worker takes from, oldest first.
 *
 * Holds:     calls in segments of 255, found through a directory by their place (32 bits, counted up for ever; place 0 of
 *            each segment is its header). Segments come from a store that all intakes share, and go back there.
 * Invariant: I4  what was pushed is taken exactly once, in the order of the pushes.
 *            I5  intake_any() is false only if all that was pushed before (in the order that park.h asks for) was taken.
 * Progress:  push, any, count are wait-free (a new segment: lock-free); take is one try: a lost race means that another won.
 * Together:            push  take  any, count, left
 *            push       X     -      -                "-" safe together; collect with all
 *            take       -     -      -                "X" one thread at a time: the producer
 * Not here:  whose it is, how many may be pushed (producers.c), who is woken.
 *
 * Why I4. A taker reads head and tail, and moves head by one exchange. If that succeeds head was the same all the while (it only
 * grows; its 32 bits of place and 32 of calls come round together after 2^32 of each), so what lies between is its own, and no other's.
 * What it moves head by it must know before: as many calls as places between head and tail means that all are single ones; then it
 * reads them after the exchange. If there are runs, or it wants those of one group, it reads before; if the exchange fails then, what was
 * read is thrown away: a segment is only ever a segment, and its words are atomics. Each segment counts (in its header) how many of its
 * calls were read by who had them; it is given back to the store only when that is all of them. So a taker that is descheduled with
 * calls half read keeps their segment from being used again, but not those after it; only the directory comes round to it at last:
 * then the producer is told so (intake_open()), and goes another way.
 *
 * Who gives back. The producer, as it opens the next segment: so it uses few, and warm ones. One that pushes no more would keep what
 * it had pushed last, so others do it where the store is empty. Who marks the directory's entry, by exchange, gives back; the entry says
 * for which number, so that who comes late does not give back the next use of it.
 *
 * No locked instruction in the producer. Between its store of tail and its look at the idle (P and C of the argument in park.h)
 * stands a compiler's fence: the worker that goes to sleep has a barrier put there between A and R (membarrier.h).
 * Where that cannot be had, the store is an exchange.
 */
#ifndef WEIR_RUNTIME_INTAKE_H
#define WEIR_RUNTIME_INTAKE_H

#include "private/atomics.h"
#include "private/compiler.h"
#include "runtime/call.h"
#include "runtime/slots.h"

enum {
	INTAKE_SEGMENT_BITS = 8,
	INTAKE_PLACES = 1 << INTAKE_SEGMENT_BITS,
	INTAKE_CALLS = INTAKE_PLACES - 1,
	INTAKE_AHEAD = 16
};

struct intake_place {
	_Atomic(weir_task_fn) fn;
	_Atomic(void *) argument;
	_Atomic(weir_group *) group;
	_Atomic(uint64_t) run;
};

enum { INTAKE_SEGMENT_BYTES = INTAKE_PLACES * sizeof(struct intake_place) };

/* How its producer submits and waits (bell.h). Its own; who goes the rounds looks at the last five, and has `heard` for itself. */
struct habit {
	uint32_t waited; /* calls that it had pushed as it waited last */
	uint32_t alone;	 /* times that it waited for one call, and ran it itself; less where a worker was quicker */
	uint32_t needed; /* of these, to be believed */
	bool rang;	 /* since it waited */
	bool more;	 /* it had the habit, and submits more than one */
	uint64_t whose;	 /* thread_serial of whose habit it is */
	uint32_t heard;	 /* rings, at the round before */
	_Atomic(int) processor;	  /* where it rang */
	_Atomic(uint32_t) rings;  /* how often it rang */
	_Atomic(uint32_t) missed; /* somebody came by, and what was rung for lay there still */
	_Atomic(uint32_t) rung;	  /* 0 again before somebody looks */
};

enum { HABIT_MIN = 16, HABIT_MAX = 1024, HABIT_SLIP = HABIT_MIN / 2 };

struct intake {
	CACHE_ALIGNED _Atomic(uint64_t) tail; /* next place << 32 | calls pushed */
	/* The producer's own. */
	CACHE_ALIGNED struct intake_place *segment; /* where the next place is */
	uint32_t place;
	uint32_t pushed;
	uint32_t left;		   /* calls that it may push before it asks again */
	_Atomic(uint32_t) oldest;  /* number of the oldest segment that was not given back; others may read it */
	uint32_t given;		   /* of the oldest after it that may not have been given back */
	uint32_t unwaited;	   /* segments opened since it waited last */
	_Atomic(uint32_t) granted; /* pushed + left, for who counts */
	_Atomic(uint32_t) owned;
	/* Constant. */
	bool fenced; /* no membarrier here */
	uint32_t node;
	uint32_t directory_mask;
	struct slots *segments;
	_Atomic(uint64_t) *directory; /* of segment number n, in [n & mask]: n << 32 | GIVEN (intake.c) | its slot */
	/* The takers'. */
	CACHE_ALIGNED _Atomic(uint64_t) head; /* place << 32 | calls taken */
	_Atomic(uint32_t)
		streams; /* its producer has pushed more than a segment since it waited last; the producer writes it */
	CACHE_ALIGNED struct habit habit;
};

/* The store of segments for intakes that hold up to calls_max calls in all. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status intake_store_create(struct slots **out, uint32_t calls_max);

/* calls_max: it holds no more at once. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE weir_status intake_init(struct intake *in, struct slots *store, uint32_t calls_max, bool fenced);
void intake_fini(struct intake *in);

/* Producer: make a place to write to. False: full, or no memory. */
bool intake_open(struct intake *in);

/* Producer, after that was false: has the store no more, or no memory? */
bool intake_lacks_segments(const struct intake *in);

/* Any thread: give back what was read to its end. */
void intake_collect(struct intake *in);

/* Producer: is there a place to write to, without asking? */
static inline bool intake_is_open(const struct intake *in)
{
	return (in->place & INTAKE_CALLS) != 0;
}

/* Producer: write a call, or a run of them, to an open place. Nobody sees it before intake_show(). */
static inline void intake_write(struct intake *in, weir_task_fn fn, void *argument, weir_group *group, uint64_t run)
{
	uint32_t at = in->place & INTAKE_CALLS;
	struct intake_place *place = &in->segment[at];
	at_store(&place->fn, fn, relaxed, none);
	at_store(&place->argument, argument, relaxed, none);
	at_store(&place->group, group, relaxed, none);
	at_store(&place->run, run, relaxed, none);
	/* Those who took what lay here before have the lines. */
	__builtin_prefetch(&in->segment[at < INTAKE_CALLS - INTAKE_AHEAD ? at + INTAKE_AHEAD : INTAKE_CALLS], 1);
	in->place++;
	in->pushed += call_count(run);
}

/* Producer: show what was written. Its look at the idle may follow at once. */
static inline void intake_show(struct intake *in)
{
	uint64_t tail = (uint64_t)in->place << 32 | in->pushed;
	if (likely(!in->fenced)) {
		/* ORDER(intake): release, pairs with the acquire in intake_see(): the calls, and their segment. */
		at_store(&in->tail, tail, release, intake);
		/* ORDER(announce): P and C of the argument in park.h; the barrier is route_barrier()'s. */
		at_signal_fence();
	} else {
		/* ORDER(announce): seq_cst, P of the argument in park.h, and all of the above. */
		at_store(&in->tail, tail, seq_cst, announce);
	}
}

/* Producer: the same store again, as an exchange: it comes before all of its later looks. */
static inline void intake_show_again(struct intake *in)
{
	/* ORDER(announce): seq_cst, P of the argument in park.h, where somebody else has no barrier put into us. */
	at_store(&in->tail, (uint64_t)in->place << 32 | in->pushed, seq_cst, announce);
}

/* Producer: it is about to wait for what it has pushed. */
static inline void intake_waits(struct intake *in)
{
	if (in->unwaited > 1)
		at_store(&in->streams, 0, relaxed, none);
	in->unwaited = 0;
}

/* Does its producer push on and on? A hint. */
static inline bool intake_streams(struct intake *in)
{
	return at_load(&in->streams, relaxed, none);
}

/* What lies there, as of one look: of what was pushed, from head to tail. */
struct intake_seen {
	uint64_t head, tail;
};

static inline struct intake_seen intake_see(struct intake *in)
{
	/* ORDER(intake_head): acquire, pairs with the exchange in move_head(): tail is not older than what it left. */
	uint64_t head = at_load(&in->head, acquire, intake_head);
	/* ORDER(intake): acquire, pairs with the release in intake_show(). */
	return (struct intake_seen){head, at_load(&in->tail, acquire, intake)};
}

static inline bool intake_seen_any(struct intake_seen seen)
{
	return seen.tail >> 32 != seen.head >> 32;
}

/* Calls; others may have taken some of them by now. */
static inline uint32_t intake_seen_calls(struct intake_seen seen)
{
	return (uint32_t)seen.tail - (uint32_t)seen.head;
}

/* Take up to `most` calls, or one run of them, of what was seen. Returns how many entries were written to out; 0: none, or a lost race:
 * then look again. */
uint32_t intake_take(struct intake *in, struct intake_seen seen, struct call *out, uint32_t most);

/* The same, but only those of one group that come before the first of another. */
uint32_t intake_take_of(struct intake *in, struct intake_seen seen, struct call *out, uint32_t most,
			const weir_group *group);

/* Producer: is what comes next of this group? */
bool intake_is_next(struct intake *in, const weir_group *group);

/* A hint whether there is something. */
static inline bool intake_hint(struct intake *in)
{
	return at_load(&in->tail, relaxed, none) >> 32 != at_load(&in->head, relaxed, none) >> 32;
}

/* Whether there may be something: R of the argument in park.h. No false "no" (I5). */
static inline bool intake_any(struct intake *in)
{
	/* ORDER(announce): seq_cst. A head beyond this tail means that it was taken. */
	uint64_t tail = at_load(&in->tail, seq_cst, announce);
	uint64_t head = at_load(&in->head, seq_cst, announce);
	return (int32_t)((uint32_t)(tail >> 32) - (uint32_t)(head >> 32)) > 0;
}

#endif
