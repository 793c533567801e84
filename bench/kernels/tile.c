/* SPDX-License-Identifier: MIT */
/*
 * tile.c - the product of two tiles, four by four entries at a time: these sums stay in registers, so nothing depends on how
 * soon a processor can read what it has just written.
 */
#include "tile.h"

enum { LANES = 2, ROWS = 4 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

/* Entries (i..i + 3, j..j + 3). */
static inline void multiply_some(double *restrict out, const double *left, const double *right, double sign)
{
	lanes a[ROWS] = {{0}}, b[ROWS] = {{0}};
	for (int k = 0; k < TILE; k++, left += TILE, right += TILE) {
		lanes r = *(const lanes *)right, s = *(const lanes *)(right + LANES);
#pragma GCC unroll 4
		for (int row = 0; row < ROWS; row++) {
			a[row] += left[row] * r;
			b[row] += left[row] * s;
		}
	}
#pragma GCC unroll 4
	for (int row = 0; row < ROWS; row++, out += TILE) {
		*(lanes *)out += sign * a[row];
		*(lanes *)(out + LANES) += sign * b[row];
	}
}

void tile_multiply(double *out, const double *left, const double *right, double sign)
{
	for (int i = 0; i < TILE; i += ROWS)
		for (int j = 0; j < TILE; j += 2 * LANES)
			multiply_some(out + i * TILE + j, left + i, right + j, sign);
}
