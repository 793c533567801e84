/* SPDX-License-Identifier: MIT */
/*
 * joblog.h - one line for each command that ended: GNU parallel's nine columns, then what weir measured.
 */
#ifndef WEIR_TOOL_JOBLOG_H
#define WEIR_TOOL_JOBLOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct joblog_row {
	uint64_t sequence; /* from 1, in the order of the job list */
	uint64_t started_unix_ns;
	uint64_t wall_ns;
	uint64_t output_bytes;
	int exit_status; /* -1: it never ran, or ran out of time */
	int signal;
	const char *command;
	uint64_t cpu_ns;
	uint64_t peak_memory_bytes;
	uint64_t wait_ns; /* from its submission to its start */
	uint32_t node;
	double cores;	       /* granted */
	uint64_t memory_bytes; /* granted */
	uint32_t tries;
};

/* Both return false, with errno, when the stream fails. */
bool joblog_header(FILE *out);
bool joblog_write(FILE *out, const struct joblog_row *row);

#endif
