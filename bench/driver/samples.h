/* SPDX-License-Identifier: MIT */
/*
 * samples.h - what was measured, by workload, threads, unit and peer, a value for each round.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include "options.h"

struct series {
	char workload[NAME_BYTES];
	char peer[NAME_BYTES];
	char unit[UNIT_BYTES];
	uint32_t threads;
	double value[ROUNDS_MOST]; /* NaN: not measured in that round */
};

/* The rounds of a workload with a thread count. */
struct cell {
	char workload[NAME_BYTES];
	uint32_t threads;
	uint32_t rounds;
	uint32_t noisy_rounds;
};

/* A program that did not do what it offers. */
struct failure {
	char peer[NAME_BYTES];
	char workload[NAME_BYTES]; /* empty: it could not even be asked */
	uint32_t threads;
	char why[WHY_BYTES];
};

struct samples {
	struct series *series;
	size_t series_count;
	struct cell *cells;
	size_t cells_count;
	struct failure *failures;
	size_t failures_count;
};

/* False: that one has a value in this round already. */
bool samples_add(struct samples *samples, const struct measured *row, uint32_t round);

/* The cell lives until the next is begun. */
struct cell *samples_begin_cell(struct samples *samples, const char *workload, uint32_t threads);

void samples_fail(struct samples *samples, const char *peer, const char *workload, uint32_t threads, const char *why);

/* NULL: there is none. */
const struct series *samples_find(const struct samples *samples, const char *workload, uint32_t threads,
				  const char *unit, const char *peer);

void samples_free(struct samples *samples);

#endif
