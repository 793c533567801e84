/* SPDX-License-Identifier: MIT */
/*
 * matmul.c - blocked matrix multiply: input, reference, and the work on one tile.
 *
 * All entries are whole numbers from -8 to 8, so each sum is a whole number below 2^53 on whatever way to it: there is no
 * rounding, and the answer must be equal to the last bit.
 */
#include <string.h>

#include "matmul.h"

static struct matmul m;
static double *expected;

void matmul_tile(const struct matmul *matmul, int64_t row, int64_t column)
{
	int64_t n = matmul->n;
	double tile[MATMUL_TILE][MATMUL_TILE] = {{0}};
	const double *a = matmul->a + row * MATMUL_TILE * n, *b = matmul->b + column * MATMUL_TILE;
	for (int64_t kk = 0; kk < n; kk += MATMUL_TILE)
		for (int64_t i = 0; i < MATMUL_TILE; i++)
			for (int64_t k = kk; k < kk + MATMUL_TILE; k++)
				for (int64_t j = 0; j < MATMUL_TILE; j++)
					tile[i][j] += a[i * n + k] * b[k * n + j];
	for (int64_t i = 0; i < MATMUL_TILE; i++)
		memcpy(matmul->c + (row * MATMUL_TILE + i) * n + column * MATMUL_TILE, tile[i], sizeof(tile[i]));
}

static int prepare(bool quick)
{
	m.n = quick ? 256 : 512;
	m.tiles = m.n / MATMUL_TILE;
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
