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
 *	bench_rounds(9, 0.02);
 *	double ns = bench_ns("pair/1");
 *
 * All benchmarks run once in each round, one after the other (A B A B), so that what else the machine does meets all of
 * them. A program that has workloads hands them to bench_program().
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
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

/* So many rounds of what was registered, `seconds` for each run. False: a benchmark failed. */
bool bench_rounds(int rounds, double seconds);

/* A workload of a program that speaks bench/PROTOCOL.md. run() registers or measures, and prints rows. */
struct bench_workload {
	const char *name;
	const char *counts; /* of threads, as `list` says them */
	bool (*run)(const char *name, uint32_t threads, bool quick);
};

/* `list`, or `run WORKLOAD THREADS [quick]`: the exit status of the program. */
int bench_program(int argc, char **argv, const struct bench_workload *all, size_t count);

/* One row, as `run` prints it. */
void bench_row(const char *workload, const char *peer, uint32_t threads, double value, const char *unit);

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
