/* SPDX-License-Identifier: MIT */
/*
 * programs.h - which benchmark programs there are, what they offer, and which there are not, by the list that CMake wrote.
 */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include "protocol.h"

struct program {
	char peer[NAME_BYTES];
	char *path;
	struct offers offers;
	char why_not[WHY_BYTES]; /* it cannot be asked; empty: it can */
};

struct missing {
	char peer[NAME_BYTES];
	char *workloads; /* that it would have, with commas between them; empty: unknown */
	char *reason;
};

struct programs {
	struct program *all;
	size_t count;
	struct missing *missing;
	size_t missing_count;
};

/* Lines of "program<TAB>PEER<TAB>PATH" and "missing<TAB>PEER<TAB>WORKLOADS<TAB>REASON".
 * Owns: *out until programs_free(), also after an error. False: *why says what is wrong. */
bool programs_read(struct programs *out, const char *file, char why[static WHY_BYTES]);

/* A finished program of one's own in place of the peer of that name, or beside what there is. */
void programs_add(struct programs *programs, const char *peer, const char *path);

/* Ask each for its list. A program that is not there is missing from then on. */
void programs_ask(struct programs *programs, uint64_t timeout_ns);

/* The program's offer of the workload, or NULL. */
const struct offer *program_offer(const struct program *program, const char *workload);

/* Whether `name` stands in a list with commas between the names. */
bool programs_listed(const char *list, const char *name);

void programs_free(struct programs *programs);

#endif
