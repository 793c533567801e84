/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what benchmark programs print: bench/PROTOCOL.md.
 */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NAME_BYTES = 32,
	UNIT_BYTES = 32,
	WHY_BYTES = 320,
	COUNTS_MOST = 16,
	OUTPUT_ROWS_MOST = 64,
	THREADS_MOST = 4096
};

/* A workload that a program has. */
struct offer {
	char workload[NAME_BYTES];
	uint32_t counts[COUNTS_MOST]; /* of threads */
	uint32_t counts_count;
	bool more; /* larger counts than the last one work as well */
};

struct offers {
	struct offer *all;
	size_t count;
};

struct measured {
	char workload[NAME_BYTES];
	char peer[NAME_BYTES];
	char unit[UNIT_BYTES];
	uint32_t threads;
	double value;
};

/* Lower case letters, digits, '_' and '-', from 1 to NAME_BYTES - 1 of them. */
bool protocol_is_name(const char *text, size_t bytes);

/* A comma separated list of thread counts; with `more`, the last may end in '+'. False: it is none. */
bool protocol_parse_counts(const char *text, size_t bytes, uint32_t *counts, uint32_t *count, bool *more);

/* What `list` printed. Owns: offers->all until free(). False: *why says what is wrong; nothing to free. */
bool protocol_parse_list(const char *text, struct offers *offers, char why[static WHY_BYTES]);

bool protocol_offers(const struct offer *offer, uint32_t threads);

/* What `run workload threads` printed: at most OUTPUT_ROWS_MOST rows, at least one. False: *why says what is wrong. */
bool protocol_parse_rows(const char *text, const char *workload, uint32_t threads, struct measured *rows, size_t *count,
			 char why[static WHY_BYTES]);

#endif
