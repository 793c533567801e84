/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a replay came to: for people and, by the keys of docs/replay.md, for programs.
 */
#ifndef WEIR_TOOLS_REPORT_H
#define WEIR_TOOLS_REPORT_H

#include <stdio.h>

#include "replay_body.h"

/* Times of some jobs, by nearest rank; all 0 where there are none. */
struct report_times {
	uint64_t p50;
	uint64_t p95;
	uint64_t p99;
	uint64_t max;
};

struct report {
	/* Said by the caller. */
	const char *workload;
	const char *strategy; /* "none" on a plain pool, as is admission */
	const char *admission;
	const char *machine;
	const struct scale_target *target;
	const struct scale_origin *origin;
	uint32_t workers;
	double speedup;
	uint64_t seed;
	size_t skipped;
	bool aware;
	bool interrupted;
	double fragmentation; /* negative: not known */
	/* Added up by report_add_up(). */
	uint64_t jobs; /* submitted */
	uint64_t verdict[WEIR_VERDICTS];
	uint64_t rejected_by_cause[WEIR_CAUSES];
	uint64_t completed;
	uint64_t failed;
	uint64_t failed_no_memory;
	uint64_t failed_corrupt;
	uint64_t cancelled;
	uint64_t infeasible; /* by the arithmetic of replay_scale.c */
	struct report_times wait_ns;
	uint64_t makespan_ns;
	double utilisation_cpu;
	double utilisation_memory;
	double home_ratio; /* negative: not known */
	uint64_t overcommit_events;
	uint64_t peak_rss_bytes;
	const struct body_held *held; /* borrowed from the bodies */
};

/* Sorts the values. */
struct report_times report_times(uint64_t *values, size_t count);

/* Fill in the second part from jobs that are done. began_ns: when the first was due. Returns 0, or -1: no memory. */
int report_add_up(struct report *report, const struct bodies *all, const struct body *body, size_t bodies,
		  uint64_t began_ns);

/* Whether the replay kept what weir promises; complaints go to `err`, a line each. */
bool report_is_sound(const struct report *report, FILE *err);

void report_print(const struct report *report, FILE *out);

/* Returns 0, or -1: no memory, or the stream failed. */
int report_json(const struct report *report, FILE *out);

/* The key of a cause in rejected_by_cause. */
const char *report_cause_key(weir_cause cause);

#endif
