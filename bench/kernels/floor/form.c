/* SPDX-License-Identifier: MIT */
/*
 * form.c - the kernels without a runtime: the pieces one after another, on the calling thread.
 */
#include "../matmul.h"
#include "../queens.h"
#include "../stencil.h"

static int open_nothing(unsigned threads)
{
	(void)threads;
	return 0;
}

static void close_nothing(void)
{
}

static int matmul(struct matmul *m)
{
	for (int64_t row = 0; row < m->tiles; row++)
		for (int64_t column = 0; column < m->tiles; column++)
			matmul_tile(m, row, column);
	return 0;
}

static int stencil(struct stencil *s)
{
	for (int64_t sweep = 0; sweep < s->sweeps; sweep++)
		stencil_rows(s, sweep, 1, s->n - 1);
	return 0;
}

static int queens(struct queens *q)
{
	q->solutions = queens_serial(q->empty);
	return 0;
}

const struct form form = {
	.peer = "floor",
	.threads = "1",
	.open = open_nothing,
	.close = close_nothing,
	.matmul = matmul,
	.stencil = stencil,
	.queens = queens,
};
