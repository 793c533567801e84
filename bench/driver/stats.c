/* SPDX-License-Identifier: MIT */
/*
 * stats.c - medians, quartiles, spread.
 *
 * Invariant: no result depends on the order of the rounds, but for ratios, which pair them.
 * Together:  one thread.
 */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* A sorted copy without NaN; *left of them. The caller frees it. */
static double *sorted(const double *values, size_t count, size_t *left)
{
	double *copy = malloc((count + 1) * sizeof(*copy));
	if (!copy)
		abort();
	*left = 0;
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			copy[(*left)++] = values[i];
	qsort(copy, *left, sizeof(*copy), by_value);
	return copy;
}

static double quantile_of_sorted(const double *values, size_t count, double q)
{
	if (!count)
		return NAN;
	double at = q * (double)(count - 1);
	size_t below = (size_t)at;
	size_t above = below + 1 < count ? below + 1 : below;
	return values[below] + (at - (double)below) * (values[above] - values[below]);
}

double stats_quantile(const double *values, size_t count, double q)
{
	size_t left;
	double *copy = sorted(values, count, &left);
	double result = quantile_of_sorted(copy, left, q);
	free(copy);
	return result;
}

struct summary stats_summary(const double *values, size_t count)
{
	size_t left;
	double *copy = sorted(values, count, &left);
	struct summary s = {.count = left,
			    .median = quantile_of_sorted(copy, left, 0.5),
			    .low = quantile_of_sorted(copy, left, 0.25),
			    .high = quantile_of_sorted(copy, left, 0.75)};
	free(copy);
	double apart = s.high - s.low;
	s.spread = s.count < 2 ? NAN : apart > 0 ? apart / s.median : 0;
	return s;
}

struct summary stats_ratio(const double *a, const double *b, size_t count)
{
	double *ratios = malloc((count + 1) * sizeof(*ratios));
	if (!ratios)
		abort();
	for (size_t i = 0; i < count; i++)
		ratios[i] = b[i] > 0 ? a[i] / b[i] : NAN;
	struct summary s = stats_summary(ratios, count);
	free(ratios);
	return s;
}

double stats_joint_spread(double one, double other)
{
	return sqrt(one * one + other * other);
}
