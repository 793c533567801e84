/* SPDX-License-Identifier: MIT */
/*
 * form.c - the kernels in OpenMP. Built by gcc, with libgomp, and by clang, with libomp.
 */
#include <omp.h>

#include "../matmul.h"
#include "../queens.h"
#include "../stencil.h"

static int open_team(unsigned threads)
{
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

const struct form form = {
	.peer = PEER,
	.open = open_team,
	.close = close_team,
	.matmul = matmul,
	.stencil = stencil,
	.queens = queens,
};
