/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what the rounds of a measurement come to. NaN is a round that did not happen, and is left out everywhere.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

struct summary {
	size_t count; /* rounds that happened; 0: the rest is NaN */
	double median;
	double low; /* the quartiles */
	double high;
	double spread; /* (high - low) / median; NaN of one round; 0 if all are the same */
};

/* The q-quantile, 0 <= q <= 1, between the two nearest values; NaN if there is none. */
double stats_quantile(const double *values, size_t count, double q);

struct summary stats_summary(const double *values, size_t count);

/* Of a[i] / b[i], round by round: what disturbs a round meets both. Rounds with b[i] == 0 are left out. */
struct summary stats_ratio(const double *a, const double *b, size_t count);

/* How far two medians with these spreads may lie apart without meaning anything, as a part of the median. */
double stats_joint_spread(double one, double other);

#endif
