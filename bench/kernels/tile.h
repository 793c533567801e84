/* SPDX-License-Identifier: MIT */
/*
 * tile.h - the product of two square tiles, which both matrix kernels are made of.
 */
#ifndef KERNELS_TILE_H
#define KERNELS_TILE_H

#ifdef __cplusplus
extern "C" {
#endif

enum { TILE = 64, TILE_AREA = TILE * TILE };

/* out[i][j] += sign * sum over k of left[k][i] * right[k][j]. Each TILE by TILE, without gaps; out overlaps neither. */
void tile_multiply(double *out, const double *left, const double *right, double sign);

#ifdef __cplusplus
}
#endif

#endif
