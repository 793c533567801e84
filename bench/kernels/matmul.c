/* SPDX-License-Identifier: MIT */
/*
 * matmul.c - blocked matrix multiply: input, reference, and the work on one tile.
 *
 * All entries are whole numbers from -8 to 8, so each sum is a whole number below 2^53 on whatever way to it: there is no
 * rounding, and the answer must be equal to the last bit.
 */
#include <string.h>

#include "matmul.h"
#include "tile.h"

static struct matmul m;
static double *expected;

/* Square (row, column) of a matrix as a tile; or turned, for a left side. */
static void pack(double *tile, const double *matrix, int64_t n, int64_t row, int64_t column, bool turned)
{
	const double *from = matrix + row * TILE * n + column * TILE;
	for (int64_t i = 0; i < TILE; i++)
		for (int64_t j = 0; j < TILE; j++)
			tile[turned ? j * TILE + i : i * TILE + j] = from[i * n + j];
}

void matmul_tile(const struct matmul *matmul, int64_t row, int64_t column)
{
	int64_t n = matmul->n;
	double out[TILE_AREA] = {0}, left[TILE_AREA], right[TILE_AREA];
	for (int64_t k = 0; k < matmul->tiles; k++) {
		pack(left, matmul->a, n, row, k, true);
		pack(right, matmul->b, n, k, column, false);
		tile_multiply(out, left, right, 1);
	}
	for (int64_t i = 0; i < TILE; i++)
		memcpy(matmul->c + (row * TILE + i) * n + column * TILE, out + i * TILE, TILE * sizeof(double));
}

static int prepare(bool quick)
{
	m.n = quick ? 256 : 512;
	m.tiles = m.n / TILE;
	uint64_t entries = (uint64_t)(m.n * m.n);
	m.a = lasting(entries, sizeof(double));
	m.b = lasting(entries, sizeof(double));
	m.c = lasting(entries, sizeof(double));
	expected = lasting(entries, sizeof(double));
	for (uint64_t i = 0; i < entries; i++) {
		m.a[i] = (double)(seeded(1, i) % 17) - 8;
		m.b[i] = (double)(seeded(2, i) % 17) - 8;
	}
	/* By rows rather than tiles. */
	for (int64_t i = 0; i < m.n; i++)
		for (int64_t k = 0; k < m.n; k++)
			for (int64_t j = 0; j < m.n; j++)
				expected[i * m.n + j] += m.a[i * m.n + k] * m.b[k * m.n + j];
	return 0;
}

static void reset(void)
{
	memset(m.c, 0xff, (size_t)(m.n * m.n) * sizeof(double));
}

static bool has(void)
{
	return form.matmul;
}

static int run(void)
{
	return form.matmul(&m);
}

static int check(void)
{
	for (int64_t i = 0; i < m.n * m.n; i++)
		if (!(m.c[i] == expected[i]))
			return 1;
	return 0;
}

static double multiply_adds(void)
{
	return (double)m.n * (double)m.n * (double)m.n;
}

const struct kernel kernel_matmul = {
	.name = "matmul",
	.unit = "ns/multiply-add",
	.threads = "1,2",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = multiply_adds,
};
