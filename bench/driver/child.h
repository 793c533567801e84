/* SPDX-License-Identifier: MIT */
/*
 * child.h - run a program to its end, keep what it prints, and end it when its time is over.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHILD_TEXT_BYTES = 1 << 16 };

struct child {
	int error;	 /* errno: it was never started */
	int exit_status; /* 0 if a signal ended it */
	int signal;
	bool timed_out;
	bool too_much; /* it printed more than is kept */
	uint64_t wall_ns;
	char out[CHILD_TEXT_BYTES]; /* both end with a null byte */
	char err[CHILD_TEXT_BYTES];
};

/* Run argv[0], a path. Standard input is empty. When it has ended, or timeout_ns is over, nothing of its process group is
 * left. An interrupt of this process ends it, too.
 * Thread:  one at a time. */
void child_run(struct child *child, const char *const argv[], uint64_t timeout_ns);

/* Why it did not succeed, in a line, NULL: it did. The text lives in `buffer`. */
const char *child_complaint(const struct child *child, char *buffer, size_t bytes);

#endif
