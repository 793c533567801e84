/* SPDX-License-Identifier: MIT */
/*
 * harness.h - a thin C face over Google Benchmark, and medians over rounds.
 *
 *	static void pair(struct bench_run *run)
 *	{
 *		while (bench_next(run))
 *			...one operation...
 *	}
 *	bench_register("pair/1", pair, NULL, 1);
 *	bench_main(argc, argv);
 *	double ns = bench_ns("pair/1");
 *
 * All benchmarks run once in each round, one after the other (A B A B), so that what else the machine does meets all of
 *them.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_run {
	uint64_t left; /* operations of the batch that is being counted */
	const void *argument;
	uint32_t thread;
	void *state; /* Google Benchmark's */
};

typedef void (*bench_fn)(struct bench_run *run);

/* fn runs in `threads` threads at once. */
void bench_register(const char *name, bench_fn fn, const void *argument, int threads);

/* Run all of them. Options: --rounds=N, --seconds=S for each run, and those of Google Benchmark
 * (--benchmark_filter=...). False: an option is wrong, or a benchmark failed. */
bool bench_main(int argc, char **argv);

/* The median over the rounds. One thread: its CPU time for an operation; more: elapsed time over all their operations.
 * NaN: it did not run. */
double bench_ns(const char *name);

/* The median over the rounds of a's time divided by b's in the same round. */
double bench_ratio(const char *a, const char *b);

/* What a benchmark measured by itself in a round, kept under a name as if it had been run. */
void bench_note(const char *name, double ns);

/* How far the rounds lie apart: the quartiles' distance over the median. */
double bench_spread(const char *name);

/* "2 x AMD EPYC, gcc 12.2.0, Linux 6.1.0-13-amd64" */
const char *bench_machine(void);

/* The benchmark cannot go on. Only before the first bench_next(). */
void bench_fail(struct bench_run *run, const char *why);

bool bench_more(struct bench_run *run);

static inline bool bench_next(struct bench_run *run)
{
	if (__builtin_expect(run->left != 0, 1)) {
		run->left--;
		return true;
	}
	return bench_more(run);
}

#ifdef __cplusplus
}
#endif

#endif
