/* SPDX-License-Identifier: MIT */
/*
 * stencil.h - Jacobi sweeps on a square: each point becomes the mean of its four neighbours. The rows of a sweep can be
 * computed in any order; a sweep begins when the one before is done.
 */
#ifndef KERNELS_STENCIL_H
#define KERNELS_STENCIL_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct stencil {
	int64_t n;	 /* rows and columns, the rim of one point included */
	int64_t sweeps;	 /* numbered from 0 */
	double *grid[2]; /* sweep s reads s % 2 and writes the other */
};

/* Rows [begin, end) of a sweep; 1 <= begin, end < n. */
void stencil_rows(const struct stencil *s, int64_t sweep, int64_t begin, int64_t end);

#ifdef __cplusplus
}
#endif

#endif
