/* SPDX-License-Identifier: MIT */
/*
 * spmv.h - y = A x with a sparse matrix, whose rows can be computed in any order; several times in a row, as solvers do.
 */
#ifndef KERNELS_SPMV_H
#define KERNELS_SPMV_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mtx;

struct spmv {
	const struct mtx *matrix;
	int64_t rows;
	int64_t products;
	const double *x;
	double *y;
};

/* Rows [begin, end) of y. */
void spmv_rows(const struct spmv *s, int64_t begin, int64_t end);

#ifdef __cplusplus
}
#endif

#endif
