/* SPDX-License-Identifier: MIT */
/*
 * cholesky.c - tiled Cholesky factorisation: input, reference, and the work on one tile.
 *
 * The input is made from the answer: a lower triangle of small whole numbers with powers of two on its diagonal. All that is
 * computed on the way is then a whole number below 2^53, or the exact quotient of one by a power of two, whatever the order
 * of the sums: there is no rounding, and the answer must be equal to the last bit.
 */
#include <math.h>
#include <string.h>

#include "cholesky.h"

enum { T = TILE };

static struct cholesky c;
static double *initial, *expected;

void cholesky_factor(const struct cholesky *all, int32_t k)
{
	double *a = cholesky_tile(all, k, k);
	for (int column = 0; column < T; column++) {
		double pivot = sqrt(a[column * T + column]);
		for (int row = column; row < T; row++)
			a[column * T + row] /= pivot;
		for (int right = column + 1; right < T; right++)
			for (int row = right; row < T; row++)
				a[right * T + row] -= a[column * T + row] * a[column * T + right];
	}
}

void cholesky_solve(const struct cholesky *all, int32_t i, int32_t k)
{
	const double *l = cholesky_tile(all, k, k);
	double *restrict a = cholesky_tile(all, i, k);
	for (int column = 0; column < T; column++) {
		for (int left = 0; left < column; left++)
			for (int row = 0; row < T; row++)
				a[column * T + row] -= a[left * T + row] * l[left * T + column];
		for (int row = 0; row < T; row++)
			a[column * T + row] /= l[column * T + column];
	}
}

/* By columns, so what tile.h calls rows are columns here. */
void cholesky_update(const struct cholesky *all, int32_t i, int32_t j, int32_t k)
{
	tile_multiply(cholesky_tile(all, i, j), cholesky_tile(all, j, k), cholesky_tile(all, i, k), -1);
}

/* Entry (row, column) of the answer. */
static double entry(int64_t row, int64_t column)
{
	uint64_t any = seeded(5, (uint64_t)(row << 32 | column));
	return row == column ? (double)(1 << any % 3) : row > column ? (double)(any % 7) - 3 : 0;
}

/* Every tile, the upper half of those on the diagonal left at zero. */
static void make_answer(double *tiles)
{
	struct cholesky answer = {.tiles = c.tiles, .tile = tiles};
	for (int32_t i = 0; i < c.tiles; i++)
		for (int32_t j = 0; j <= i; j++)
			for (int at = 0; at < TILE_AREA; at++)
				cholesky_tile(&answer, i, j)[at] = entry(i * T + at % T, j * T + at / T);
}

/* A = L L', entry by entry. */
static void make_input(double *tiles)
{
	int64_t n = c.tiles * T;
	struct cholesky input = {.tiles = c.tiles, .tile = tiles};
	double *rows = lasting((uint64_t)(n * n), sizeof(double));
	for (int64_t row = 0; row < n; row++)
		for (int64_t column = 0; column <= row; column++)
			rows[row * n + column] = entry(row, column);
	for (int64_t row = 0; row < n; row++)
		for (int64_t column = 0; column <= row; column++) {
			double sum = 0;
			for (int64_t k = 0; k <= column; k++)
				sum += rows[row * n + k] * rows[column * n + k];
			cholesky_tile(&input, (int32_t)(row / T), (int32_t)(column / T))[column % T * T + row % T] =
				sum;
		}
}

static uint64_t area(void)
{
	return (uint64_t)(c.tiles * (c.tiles + 1) / 2 * TILE_AREA);
}

static int prepare(bool quick)
{
	c.tiles = quick ? 6 : 12;
	c.tile = lasting(area(), sizeof(double));
	initial = lasting(area(), sizeof(double));
	expected = lasting(area(), sizeof(double));
	make_answer(expected);
	make_input(initial);
	return 0;
}

static void reset(void)
{
	memcpy(c.tile, initial, area() * sizeof(double));
}

static bool has(void)
{
	return form.cholesky;
}

static int run(void)
{
	return form.cholesky(&c);
}

static bool tile_is_wrong(int32_t i, int32_t j)
{
	struct cholesky answer = {.tiles = c.tiles, .tile = expected};
	const double *is = cholesky_tile(&c, i, j), *should = cholesky_tile(&answer, i, j);
	for (int column = 0; column < T; column++) /* what is above the diagonal is nobody's business */
		for (int row = i == j ? column : 0; row < T; row++)
			if (!(is[column * T + row] == should[column * T + row]))
				return true;
	return false;
}

static int check(void)
{
	for (int32_t i = 0; i < c.tiles; i++)
		for (int32_t j = 0; j <= i; j++)
			if (tile_is_wrong(i, j))
				return 1;
	return 0;
}

static double multiply_adds(void)
{
	double n = (double)c.tiles * T;
	return n * n * n / 6;
}

const struct kernel kernel_cholesky = {
	.name = "cholesky",
	.unit = "ns/multiply-add",
	.threads = "1,2",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = multiply_adds,
};
