/* SPDX-License-Identifier: MIT */
/*
 * spmv.c - sparse matrix times vector: input, reference, and the work on some rows.
 *
 * The matrix is the file that WEIR_BENCH_MATRIX names, or an invented one, which goes through the reader too: few rows have
 * most of the entries, as in the graphs that people keep in such files.
 *
 * The reference is summed in long double. A sum of n products in double, in whatever order and fused or not, is at most
 * n * DBL_EPSILON * (sum of their absolute values) away from the true one (Higham, Accuracy and Stability, 3.1, to first
 * order and with unit roundoff DBL_EPSILON / 2, so there is room for the rest).
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mtx.h"
#include "spmv.h"

static struct mtx matrix;
static struct spmv s;
static double *expected, *tolerance;

void spmv_rows(const struct spmv *spmv, int64_t begin, int64_t end)
{
	const struct mtx *m = spmv->matrix;
	for (int64_t row = begin; row < end; row++) {
		double sum = 0;
		for (int64_t i = m->row_begin[row]; i < m->row_begin[row + 1]; i++)
			sum += m->value[i] * spmv->x[m->column[i]];
		spmv->y[row] = sum;
	}
}

static int64_t invented_length(int64_t row, int64_t rows)
{
	return 3 + (int64_t)((double)rows / 40 / sqrt((double)(row + 1)));
}

/* An invented matrix as a file, at its beginning. NULL: there is no room for it. */
static FILE *invented(int64_t rows)
{
	int64_t entries = 0;
	for (int64_t row = 0; row < rows; row++)
		entries += invented_length(row, rows);
	FILE *file = tmpfile();
	if (!file)
		return NULL;
	fprintf(file, "%%%%MatrixMarket matrix coordinate real general\n%lld %lld %lld\n", (long long)rows,
		(long long)rows, (long long)entries);
	for (int64_t row = 0; row < rows; row++)
		for (int64_t i = 0; i < invented_length(row, rows); i++) {
			uint64_t any = seeded(6, (uint64_t)(row << 32 | i));
			fprintf(file, "%lld %llu %lld.%llu\n", (long long)row + 1,
				(unsigned long long)(any % (uint64_t)rows) + 1, (long long)(any >> 40 & 63) - 32,
				(unsigned long long)(any >> 50 & 7));
		}
	if (fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0)
		return file;
	fclose(file);
	return NULL;
}

static int read_matrix(bool quick)
{
	const char *path = getenv("WEIR_BENCH_MATRIX");
	char error[300];
	FILE *file = path ? fopen(path, "r") : invented(quick ? 20000 : 60000);
	if (!file) {
		fprintf(stderr, "kernels: spmv: %s cannot be %s\n", path ? path : "an invented matrix",
			path ? "opened" : "written");
		return 1;
	}
	int failed = mtx_read(file, path ? path : "an invented matrix", NULL, &matrix, error, sizeof(error));
	fclose(file);
	if (failed)
		fprintf(stderr, "kernels: spmv: %s\n", error);
	return failed != 0;
}

static void refer(void)
{
	for (int64_t row = 0; row < matrix.rows; row++) {
		long double sum = 0, absolute = 0;
		for (int64_t i = matrix.row_begin[row + 1]; i-- > matrix.row_begin[row];) {
			long double product = (long double)matrix.value[i] * s.x[matrix.column[i]];
			sum += product;
			absolute += fabsl(product);
		}
		expected[row] = (double)sum;
		tolerance[row] = (double)absolute * DBL_EPSILON *
				 (double)(matrix.row_begin[row + 1] - matrix.row_begin[row] + 1);
	}
}

static int prepare(bool quick)
{
	if (read_matrix(quick))
		return 1;
	double *x = lasting((uint64_t)matrix.columns, sizeof(double));
	for (int64_t i = 0; i < matrix.columns; i++)
		x[i] = (double)(seeded(7, (uint64_t)i) >> 11) * 0x1p-52 - 1;
	s = (struct spmv){.matrix = &matrix, .rows = matrix.rows, .products = 10, .x = x};
	s.y = lasting((uint64_t)matrix.rows, sizeof(double));
	expected = lasting((uint64_t)matrix.rows, sizeof(double));
	tolerance = lasting((uint64_t)matrix.rows, sizeof(double));
	refer();
	return 0;
}

static void reset(void)
{
	memset(s.y, 0xff, (size_t)s.rows * sizeof(double));
}

static bool has(void)
{
	return form.spmv;
}

static int run(void)
{
	return form.spmv(&s);
}

static int check(void)
{
	for (int64_t row = 0; row < s.rows; row++)
		if (!(fabs(s.y[row] - expected[row]) <= tolerance[row]))
			return 1;
	return 0;
}

static double entries(void)
{
	return (double)(matrix.entries ? matrix.entries : 1) * (double)s.products;
}

const struct kernel kernel_spmv = {
	.name = "spmv",
	.unit = "ns/entry",
	.threads = "1,2",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = entries,
};
