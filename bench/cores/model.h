/* SPDX-License-Identifier: MIT */
/*
 * model.h - a machine of many cores that does not exist: one thread of the program on each, one after another in the order
 * of clocks of their own, with caches that are counted.
 *
 * What is counted is what the program does: accesses, locked instructions, exchanges that failed, lines that came from another
 * core's cache, system calls. What is modelled is time: each access adds what `costs` says to its thread's clock, and whose clock
 * is behind runs next. So threads meet as they would on as many cores, whatever this machine has, and two runs are nearly the same.
 *
 * The caches hold everything: a line goes to who writes it, and who reads it gets a copy until it is written again. A line that was
 * never touched comes from memory, for nothing. Who takes a line for writing keeps it for keep_ps, and others wait for it. A line that the
 * program fetches ahead (__builtin_prefetch) moves at once, and who touches it before it is there waits for the rest.
 * Not seen: stores that wait in a buffer, what the hardware fetches ahead by itself, distance between cores, and what is not compiled for the model: libc, liburcu,
 * the allocator.
 */
#ifndef BENCH_CORES_MODEL_H
#define BENCH_CORES_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS_MAX = 256 };

enum model_access { MODEL_READ, MODEL_WRITE, MODEL_LOCKED };

struct model_costs {
	uint64_t access_ps;   /* any access, with the instructions around it */
	uint64_t locked_ps;   /* a locked instruction more */
	uint64_t transfer_ps; /* a line from another core more */
	uint64_t keep_ps;     /* and who got it for writing keeps it so long, whoever else wants it */
	uint64_t fills;	      /* lines that a core has under way at once, of those it fetches ahead */
	uint64_t pause_ps;    /* a turn of a spin loop */
	uint64_t call_ps;     /* a futex call */
	uint64_t barrier_ps;  /* a membarrier call */
	uint64_t wake_ps;     /* until a thread that was woken goes on */
	uint64_t slack_ps;    /* how far a thread may be ahead of the others */
};

extern struct model_costs model_costs;

struct model_counts {
	uint64_t accesses, locked, failed; /* failed: exchanges, weak ones that only seem to fail excepted */
	uint64_t fetched, taken;	   /* lines from another core's cache, to read and to write */
	uint64_t waits, wakes, barriers;   /* system calls: to sleep, to wake, membarrier */
};

/* The calling thread is the first core's. Once, before any thread is made. */
void model_begin(void);

/* From here on, or no longer, is counted; time goes on in any case. */
void model_count(bool on);
struct model_counts model_counts_get(void);

/* The `most` places that took the most time, one a line: address, then accesses, locked, failed, fetched, taken, ns of all threads. */
void model_print_places(unsigned most);

/* The calling thread's clock, and that it works for so long. */
uint64_t model_now_ns(void);
void model_work(uint64_t ns);

/* For hooks.c. --------------------------------------------------------------------------------------------------- */

void model_touch(const void *place, uintptr_t address, size_t bytes, enum model_access access);
void model_exchange_failed(const void *place);
void model_pause(void);
void model_fetch_ahead(const void *address, int writes);

/* Threads: number of the one that is made now; what it does first and last; who waits for its end. */
uint32_t model_thread_made(void);
void model_thread_begin(uint32_t number);
void model_thread_end(void);
void model_thread_await(uint32_t number);
bool model_in(void); /* Is the calling thread one of them? */

/* Where it may block for reasons that the model does not know: others run meanwhile. Briefly: no time goes by in which nobody runs. */
void model_away(bool briefly);
void model_back(void);

/* Sleep until woken at the address, or until the deadline (UINT64_MAX: none). False: the deadline. */
bool model_sleep(uintptr_t address, uint64_t deadline_ns);
void model_wake(uintptr_t address);
void model_barrier(void);

#endif
