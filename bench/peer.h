/* SPDX-License-Identifier: MIT */
/*
 * peer.h - what a runtime must be able to do to be measured beside weir, and what its measured pieces are made of.
 *
 * A bench program is peer_main.c and one file of bench/peers/, which defines `peer` in its runtime's own fast idiom.
 * peer_main.c chooses the sizes, takes the times and checks the answers, so all are timed in the same way.
 *
 *	PROGRAM list                            lines "WORKLOAD THREADS[,THREADS...]"
 *	PROGRAM run WORKLOAD THREADS [quick]    lines of JSON; exit 1 and a message if the answer was wrong
 *
 * THREADS are the threads that work: with the calling one where the runtime has it work, without it where it only
 * waits or submits.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a submitted task does. EMPTY is what is timed, and is written as an empty function or lambda of its own. */
enum peer_body {
	PEER_EMPTY,
	PEER_COUNTED, /* counts itself: to check that each runs once */
	PEER_HELD,    /* says that it runs, and blocks its thread until all are let go */
	PEER_FLAGGED, /* raises the flag that the submitter spins on */
};

/* NULL: the runtime has no such thing. All are called by the main thread, but for submit(). */
struct peer {
	const char *name;
	int fib_n;	    /* fib(fib_n) takes 10 to 100 ms here */
	uint32_t tasks_max; /* submitted at a time, where a million would take seconds; 0: a million */
	bool one_worker;    /* submission, latency and memory: with one thread only */
	bool never_queues;  /* a full queue makes the submitter run the task: nothing can be held back and weighed */
	bool copies;	    /* fib and tree run once in each thread, not once in all: perfect scaling, for the floor */

	/* outside: the calling thread only submits and waits, so it is none of them. */
	void (*start)(uint32_t threads, bool outside);
	void (*stop)(void);

	uint64_t (*fib)(int n); /* a task for each call but the one that the parent makes itself */
	uint64_t (*tree)(void); /* the nodes of tree.h's tree; a task for each */
	void (*loop_grain1)(uint32_t *array, int64_t count); /* in the runtime's smallest pieces */
	void (*loop_auto)(uint32_t *array, int64_t count);   /* in pieces as the runtime chooses */

	/* From outside, by the threads 0 .. producers - 1. They may return before the tasks have begun. */
	void (*submit)(unsigned producer, uint32_t count, enum peer_body body);
	void (*submit_batch)(uint32_t count, enum peer_body body); /* the same by one call, or by as few as it takes */
	void (*wait)(void);					   /* for all submitted: done */
	void (*round_trip)(
		bool spin); /* one empty task, done; where it is not submit() and a look at the flag, or wait() */
};

extern const struct peer peer;

/* The main program's. */
void peer_run(enum peer_body body); /* what the task does, EMPTY included */
__attribute__((noreturn, format(printf, 1, 2))) void peer_fail(const char *format, ...);

/* The body of the loops, for a single element: a few shifts and additions; and for a range, vectorised. */
static inline void peer_step(uint32_t *array, int64_t i)
{
	uint32_t x = array[i] + (uint32_t)i;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	array[i] = x * 9;
}
void peer_steps(uint32_t *array, int64_t begin, int64_t end);

static inline void peer_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

#ifdef __cplusplus
}
#endif

#endif
