/* SPDX-License-Identifier: MIT */
/*
 * queens.h - in how many ways n queens can stand on a board so that none attacks another.
 *
 * A board is filled row by row; its three masks are the fields of the next row that are attacked.
 */
#ifndef KERNELS_QUEENS_H
#define KERNELS_QUEENS_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* With so few rows to go nobody forks any more: the same for all runtimes, and late enough to suit those whose tasks cost
 * most. */
enum { QUEENS_SERIAL_ROWS = 9, QUEENS_MAX = 16 };

struct board {
	uint32_t all;	  /* a bit for each field of a row */
	uint32_t columns; /* taken */
	uint32_t left;	  /* attacked along one diagonal, and along the other */
	uint32_t right;
	int32_t rows; /* to go */
};

struct queens {
	struct board empty;
	uint64_t solutions; /* the answer */
};

static inline uint32_t board_free(struct board b)
{
	return b.all & ~(b.columns | b.left | b.right);
}

static inline struct board board_place(struct board b, uint32_t queen)
{
	b.columns |= queen;
	b.left = (b.left | queen) << 1;
	b.right = (b.right | queen) >> 1;
	b.rows--;
	return b;
}

/* Solutions from here on. */
uint64_t queens_serial(struct board b);

#ifdef __cplusplus
}
#endif

#endif
