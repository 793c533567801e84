/* SPDX-License-Identifier: MIT */
/*
 * record.h - what was run, as a workload in the Standard Workload Format.
 */
#ifndef WEIR_TOOL_RECORD_H
#define WEIR_TOOL_RECORD_H

#include <weir/tracker.h>

#include "jobfile.h"

enum result_end {
	RESULT_NOT_STARTED = 0,
	RESULT_REFUSED, /* it can never fit, or its demand is wrong for this machine */
	RESULT_SUCCEEDED,
	RESULT_FAILED,
	RESULT_STOPPED /* by a signal to weir, or by --halt */
};

/* What became of one command; the last try counts. */
struct result {
	enum result_end end;
	uint64_t submitted_ns; /* CLOCK_MONOTONIC, as started_ns */
	uint64_t started_ns;
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t peak_memory_bytes;
	uint32_t node;
};

struct record_frame {
	uint64_t start_ns; /* CLOCK_MONOTONIC: time 0 of the workload */
	uint64_t start_unix_ns;
	uint64_t end_unix_ns;
	uint32_t nodes;
	weir_amount limit;
	uint64_t timeout_ns; /* 0: none */
};

/* Write a command for each of results[0 .. file->jobs). Returns 0 or an errno. */
int record_write(const char *path, const struct record_frame *frame, const struct jobfile *file,
		 const struct result *results);

#endif
