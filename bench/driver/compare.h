/* SPDX-License-Identifier: MIT */
/*
 * compare.h - two reports side by side.
 */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <stdio.h>

#include "json.h"

/* A change below this part is none, however small the spreads are. */
#define COMPARE_LEAST 0.02

struct compared {
	size_t both;   /* rows that are in both reports */
	size_t slower; /* by more than the joint spread */
	size_t faster;
	size_t gone; /* in a alone */
	size_t news; /* in b alone */
};

/* Tell what is slower in b and what is faster. On one machine weir's own values are compared, else its ratios to peers. */
struct compared compare(const struct kept *a, const struct kept *b, FILE *out);

/* `compare A.json B.json`: the exit status. */
int compare_main(int argc, char **argv);

#endif
