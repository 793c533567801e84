/* SPDX-License-Identifier: MIT */
/*
 * form.c - the kernels without a runtime: the pieces one after another, on the calling thread.
 */
#include "../cholesky.h"
#include "../matmul.h"
#include "../pipeline.h"
#include "../queens.h"
#include "../sort.h"
#include "../spmv.h"
#include "../stencil.h"
#include "../uts.h"

static int open_nothing(unsigned threads, uint64_t budget_bytes)
{
	(void)budget_bytes;
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

static int uts(struct uts *tree)
{
	tree->nodes = uts_serial(tree, &tree->root);
	return 0;
}

static int sort(struct sort *s)
{
	sort_serial(s->numbers, s->spare, s->n, false);
	return 0;
}

static int cholesky(struct cholesky *c)
{
	for (int32_t k = 0; k < c->tiles; k++) {
		cholesky_factor(c, k);
		for (int32_t i = k + 1; i < c->tiles; i++)
			cholesky_solve(c, i, k);
		for (int32_t i = k + 1; i < c->tiles; i++)
			for (int32_t j = k + 1; j <= i; j++)
				cholesky_update(c, i, j, k);
	}
	return 0;
}

static int spmv(struct spmv *s)
{
	for (int64_t product = 0; product < s->products; product++)
		spmv_rows(s, 0, s->rows);
	return 0;
}

static int pipeline(struct pipeline *p)
{
	for (int32_t i = 0; i < p->chunks; i++)
		while (!chunk_done(&p->chunk[i]))
			if (chunk_stage_malloc(&p->chunk[i]))
				return 1;
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
	.uts = uts,
	.sort = sort,
	.cholesky = cholesky,
	.spmv = spmv,
	.pipeline = pipeline,
};
