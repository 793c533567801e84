/* SPDX-License-Identifier: MIT */
/*
 * form.c - the kernels in OpenMP. Built by gcc, with libgomp, and by clang, with libomp.
 */
#include <omp.h>

#include "../cholesky.h"
#include "../matmul.h"
#include "../pipeline.h"
#include "../queens.h"
#include "../sort.h"
#include "../spmv.h"
#include "../stencil.h"
#include "../uts.h"

static int open_team(unsigned threads, uint64_t budget_bytes)
{
	(void)budget_bytes;
	omp_set_dynamic(0);
	omp_set_num_threads((int)threads);
	return 0;
}

static void close_team(void)
{
}

static int matmul(struct matmul *m)
{
#pragma omp parallel for collapse(2) schedule(dynamic)
	for (int64_t row = 0; row < m->tiles; row++)
		for (int64_t column = 0; column < m->tiles; column++)
			matmul_tile(m, row, column);
	return 0;
}

/* Rows in pieces as large as the static schedule would make them. */
static int stencil(struct stencil *s)
{
#pragma omp parallel
	for (int64_t sweep = 0; sweep < s->sweeps; sweep++) {
#pragma omp for schedule(static)
		for (int64_t row = 1; row < s->n - 1; row++)
			stencil_rows(s, sweep, row, row + 1);
	}
	return 0;
}

static uint64_t solutions(struct board board)
{
	if (board.rows <= QUEENS_SERIAL_ROWS)
		return queens_serial(board);
	uint64_t part[QUEENS_MAX], found = 0;
	int children = 0;
	for (uint32_t left = board_free(board); left; left &= left - 1, children++) {
		struct board next = board_place(board, left & -left);
#pragma omp task shared(part) firstprivate(children, next)
		part[children] = solutions(next);
	}
#pragma omp taskwait
	for (int i = 0; i < children; i++)
		found += part[i];
	return found;
}

static int queens(struct queens *q)
{
#pragma omp parallel
#pragma omp single
	q->solutions = solutions(q->empty);
	return 0;
}

static uint64_t count(const struct uts *tree, struct uts_node node)
{
	uint32_t children = uts_children(tree, &node);
	uint64_t part[children + 1], nodes = 1;
	for (uint32_t i = 0; i < children; i++) {
		struct uts_node child = uts_child(&node, i);
#pragma omp task shared(part) firstprivate(i, child, tree) untied
		part[i] = count(tree, child);
	}
#pragma omp taskwait
	for (uint32_t i = 0; i < children; i++)
		nodes += part[i];
	return nodes;
}

static int uts(struct uts *tree)
{
#pragma omp parallel
#pragma omp single
	tree->nodes = count(tree, tree->root);
	return 0;
}

static void merge(struct merge all)
{
	if (all.a_count + all.b_count <= SORT_SERIAL) {
		merge_serial(all);
		return;
	}
	struct merge first, second;
	merge_halve(all, &first, &second);
#pragma omp task firstprivate(first)
	merge(first);
	merge(second);
#pragma omp taskwait
}

static void sort_some(int64_t *numbers, int64_t *spare, int64_t n, bool into_spare)
{
	if (n <= SORT_SERIAL) {
		sort_serial(numbers, spare, n, into_spare);
		return;
	}
#pragma omp task firstprivate(numbers, spare, n, into_spare)
	sort_some(numbers, spare, n / 2, !into_spare);
	sort_some(numbers + n / 2, spare + n / 2, n - n / 2, !into_spare);
#pragma omp taskwait
	merge(into_spare ? merge_halves(numbers, n, spare) : merge_halves(spare, n, numbers));
}

static int sort(struct sort *s)
{
#pragma omp parallel
#pragma omp single
	sort_some(s->numbers, s->spare, s->n, false);
	return 0;
}

static void column(const struct cholesky *c, int32_t k)
{
	double *kk = cholesky_tile(c, k, k);
#pragma omp task depend(inout : *kk)
	cholesky_factor(c, k);
	for (int32_t i = k + 1; i < c->tiles; i++) {
		double *ik = cholesky_tile(c, i, k);
#pragma omp task depend(in : *kk) depend(inout : *ik)
		cholesky_solve(c, i, k);
	}
	for (int32_t i = k + 1; i < c->tiles; i++)
		for (int32_t j = k + 1; j <= i; j++) {
			double *ik = cholesky_tile(c, i, k), *jk = cholesky_tile(c, j, k), *ij = cholesky_tile(c, i, j);
#pragma omp task depend(in : *ik, *jk) depend(inout : *ij)
			cholesky_update(c, i, j, k);
		}
}

static int cholesky(struct cholesky *c)
{
#pragma omp parallel
#pragma omp single
	for (int32_t k = 0; k < c->tiles; k++)
		column(c, k);
	return 0;
}

/* The first rows are the longest. In blocks, so that a piece is called for more than a row. */
static int spmv(struct spmv *s)
{
	enum { BLOCK = 256 };
	for (int64_t product = 0; product < s->products; product++) {
#pragma omp parallel for schedule(dynamic)
		for (int64_t row = 0; row < s->rows; row += BLOCK)
			spmv_rows(s, row, row + BLOCK < s->rows ? row + BLOCK : s->rows);
	}
	return 0;
}

static int pipeline(struct pipeline *p)
{
	int failed = 0;
#pragma omp parallel
#pragma omp single
	for (int32_t i = 0; i < p->chunks; i++)
		for (int stage = 0; stage < PIPELINE_STAGES; stage++) {
			struct chunk *chunk = &p->chunk[i];
#pragma omp task depend(inout : *chunk) shared(failed)
			if (chunk_stage_malloc(chunk)) {
#pragma omp atomic write
				failed = 1;
			}
		}
	return failed;
}

const struct form form = {
	.peer = PEER,
	.open = open_team,
	.close = close_team,
	.matmul = matmul,
	.stencil = stencil,
	.queens = queens,
	.uts = uts,
	.sort = sort,
	.cholesky = cholesky,
	.spmv = spmv,
	.pipeline = pipeline,
};
