/* SPDX-License-Identifier: MIT */
/*
 * sort.h - merge sort, in pieces: sort a short run, merge two short ones, halve a long merge.
 */
#ifndef KERNELS_SORT_H
#define KERNELS_SORT_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SORT_SERIAL = 4096 }; /* up to so many numbers are sorted, or merged, in one go */

struct sort {
	int64_t n;
	int64_t *numbers; /* sorted in place */
	int64_t *spare;	  /* as long */
};

/* Two ascending runs, and where they go as one. */
struct merge {
	const int64_t *a, *b;
	int64_t a_count, b_count;
	int64_t *out;
};

/* Sort n numbers; the answer is in `numbers`, or in `spare`. What is in the other is then of no use. */
void sort_serial(int64_t *numbers, int64_t *spare, int64_t n, bool into_spare);

void merge_serial(struct merge m);

/* The same merge as two, of which the first has all that belongs before the second. */
void merge_halve(struct merge m, struct merge *first, struct merge *second);

/* What merges two sorted halves of `from`. */
static inline struct merge merge_halves(const int64_t *from, int64_t n, int64_t *out)
{
	struct merge m = {from, from + n / 2, n / 2, n - n / 2, out};
	return m;
}

#ifdef __cplusplus
}
#endif

#endif
