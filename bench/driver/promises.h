/* SPDX-License-Identifier: MIT */
/*
 * promises.h - what weir promises: bench/promises.txt.
 */
#ifndef BENCH_PROMISES_H
#define BENCH_PROMISES_H

#include "protocol.h"

struct promise {
	char workload[NAME_BYTES];
	uint32_t threads;      /* 0: each that was measured */
	char peer[NAME_BYTES]; /* empty: none */
	bool ratio;	       /* to the peer; or weir's own value */
	double most;
	char unit[UNIT_BYTES];
};

/* By fewer, nothing is judged. */
enum { JUDGED_ROUNDS = 3 };

struct promises {
	struct promise *all;
	size_t count;
};

/* Owns: out->all until free(), also after an error. False: *why says what is wrong. */
bool promises_read(struct promises *out, const char *file, char why[static WHY_BYTES]);

#endif
