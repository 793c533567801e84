/* SPDX-License-Identifier: MIT */
/*
 * stencil.c - 2D stencil: input, reference, and the work on some rows.
 *
 * A point's new value is the same expression of the same four values whoever computes it, so the answer must be equal to
 * the last bit. (A product of a sum leaves nothing to fuse.)
 */
#include <string.h>

#include "stencil.h"

static struct stencil s;
static double *initial, *expected;

void stencil_rows(const struct stencil *stencil, int64_t sweep, int64_t begin, int64_t end)
{
	int64_t n = stencil->n;
	const double *from = stencil->grid[sweep & 1];
	double *restrict to = stencil->grid[!(sweep & 1)];
	for (int64_t i = begin; i < end; i++) {
		const double *north = from + (i - 1) * n, *row = from + i * n, *south = from + (i + 1) * n;
		for (int64_t j = 1; j < n - 1; j++)
			to[i * n + j] = 0.25 * ((north[j] + south[j]) + (row[j - 1] + row[j + 1]));
	}
}

static double mean(const double *at, int64_t n)
{
	return 0.25 * ((at[-n] + at[n]) + (at[-1] + at[1]));
}

/* By columns, and from copy to copy rather than to and fro. */
static void refer(void)
{
	size_t bytes = (size_t)(s.n * s.n) * sizeof(double);
	double *before = lasting((uint64_t)(s.n * s.n), sizeof(double));
	memcpy(expected, initial, bytes);
	for (int64_t sweep = 0; sweep < s.sweeps; sweep++) {
		memcpy(before, expected, bytes);
		for (int64_t j = 1; j < s.n - 1; j++)
			for (int64_t i = 1; i < s.n - 1; i++)
				expected[i * s.n + j] = mean(before + i * s.n + j, s.n);
	}
}

static int prepare(bool quick)
{
	s.n = quick ? 258 : 514;
	s.sweeps = 40;
	uint64_t points = (uint64_t)(s.n * s.n);
	s.grid[0] = lasting(points, sizeof(double));
	s.grid[1] = lasting(points, sizeof(double));
	initial = lasting(points, sizeof(double));
	expected = lasting(points, sizeof(double));
	for (uint64_t i = 0; i < points; i++)
		initial[i] = (double)(seeded(3, i) % 1000) / 10;
	refer();
	return 0;
}

static void reset(void)
{
	size_t bytes = (size_t)(s.n * s.n) * sizeof(double);
	memcpy(s.grid[0], initial, bytes);
	memcpy(s.grid[1], initial, bytes); /* the rim is read from both */
}

static bool has(void)
{
	return form.stencil;
}

static int run(void)
{
	return form.stencil(&s);
}

static int check(void)
{
	return memcmp(s.grid[s.sweeps & 1], expected, (size_t)(s.n * s.n) * sizeof(double)) != 0;
}

static double points(void)
{
	return (double)(s.n - 2) * (double)(s.n - 2) * (double)s.sweeps;
}

const struct kernel kernel_stencil = {
	.name = "stencil",
	.unit = "ns/point",
	.threads = "1,2",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = points,
};
