/* SPDX-License-Identifier: MIT */
/*
 * run_report.h - how far `weir run` is, and how it went, in a line each.
 */
#ifndef WEIR_TOOL_RUN_REPORT_H
#define WEIR_TOOL_RUN_REPORT_H

#include <stdio.h>

#include "record.h"

struct run_counts {
	uint64_t jobs;
	uint64_t running;
	uint64_t succeeded;
	uint64_t failed;
	uint64_t stopped;
	uint64_t refused;
	uint64_t not_started;
	uint64_t over_memory; /* commands that used more memory than they stated */
	uint64_t cpu_ns;
	uint64_t peak_memory_bytes; /* of the largest command */
	/* What the running commands are granted, added up here and not by the ledger, and the most at once. */
	double held_cores;
	uint64_t held_memory_bytes;
	double most_cores;
	uint64_t most_memory_bytes;
};

/* A command starts, or has ended, with this grant. */
void run_counts_start(struct run_counts *counts, const weir_amount *granted);
void run_counts_end(struct run_counts *counts, const weir_amount *granted);

/* Add one command's result. granted_memory: in bytes, 0: it stated none. */
void run_counts_add(struct run_counts *counts, const struct result *result, uint64_t granted_memory);

/* J1 and J2, once all has ended. NULL, or which does not hold. */
const char *run_counts_wrong(const struct run_counts *counts, const weir_amount *limit);

/* Overwrites its own line on a terminal; no newline follows. */
void run_report_progress(FILE *out, const struct run_counts *counts, const weir_amount *limit);

void run_report_summary(FILE *out, const struct run_counts *counts, const weir_amount *limit, uint64_t wall_ns);

#endif
