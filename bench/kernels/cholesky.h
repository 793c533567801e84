/* SPDX-License-Identifier: MIT */
/*
 * cholesky.h - A = L L', in square tiles of the lower half, each kept by itself and by columns.
 *
 * For each column k of tiles:  factor(k)                     once updates of (k, k) by all columns before are done
 *                              solve(i, k), i > k            once factor(k) is, and updates of (i, k) by all before
 *                              update(i, j, k), i >= j > k   once solve(i, k) and solve(j, k) are, and update(i, j, k - 1)
 */
#ifndef KERNELS_CHOLESKY_H
#define KERNELS_CHOLESKY_H

#include "kernel.h"
#include "tile.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cholesky {
	int32_t tiles; /* in a row */
	double *tile;  /* A, to be overwritten by L */
};

static inline double *cholesky_tile(const struct cholesky *c, int32_t i, int32_t j)
{
	return c->tile + (i * (i + 1) / 2 + j) * TILE_AREA;
}

void cholesky_factor(const struct cholesky *c, int32_t k);
void cholesky_solve(const struct cholesky *c, int32_t i, int32_t k);
void cholesky_update(const struct cholesky *c, int32_t i, int32_t j, int32_t k);

#ifdef __cplusplus
}
#endif

#endif
