/* SPDX-License-Identifier: MIT */
/*
 * matmul.h - C = A B, in tiles of C that can be computed in any order.
 */
#ifndef KERNELS_MATMUL_H
#define KERNELS_MATMUL_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct matmul {
	int64_t n;     /* a multiple of TILE */
	int64_t tiles; /* in a row, and in a column */
	double *a, *b, *c;
};

/* Tile (row, column) of C, all of it. */
void matmul_tile(const struct matmul *m, int64_t row, int64_t column);

#ifdef __cplusplus
}
#endif

#endif
