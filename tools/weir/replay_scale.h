/* SPDX-License-Identifier: MIT */
/*
 * replay_scale.h - a workload's jobs as demands on another machine, in the ledger's units.
 *
 * Plain integer arithmetic on the file and the limits; it asks weir for nothing, so that what it says of a job (fits
 * some node or never will) is a second opinion on what admission says.
 */
#ifndef WEIR_TOOLS_REPLAY_SCALE_H
#define WEIR_TOOLS_REPLAY_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "swf.h"

/* An amount in the ledger's units. */
struct scale_units {
	uint64_t cpu;
	uint64_t memory;
};

/* What the workload ran on. */
struct scale_origin {
	int64_t processors;
	int64_t memory_kb;	     /* in all; SWF_UNKNOWN: neither the header nor any job says */
	const char *processors_from; /* a literal: where the number was found */
	const char *memory_from;
};

/* Where a task that is sent to a node gets its cores and its memory: there, or, of what the node lacks, next to it. */
struct scale_place {
	uint32_t cpu_node;
	uint32_t memory_node;
};

/* What it is to run on now. */
struct scale_target {
	uint32_t units_per_core;
	uint64_t memory_unit_bytes;
	uint32_t nodes;
	struct scale_units *node;  /* the limits of each */
	struct scale_units total;  /* their sum */
	struct scale_place *place; /* for each node; NULL: each has all that it needs */
};

/* A job as a task. */
struct scale_job {
	const struct swf_job *from;
	struct scale_units demand;
	uint64_t arrive_ns; /* after the first job */
	uint64_t run_ns;
};

/* Read the workload's machine from its header, where it is silent from its jobs; by the rules in docs/replay.md.
 * Returns 0, or -1: no job has a number of processors. */
int scale_origin_read(struct scale_origin *out, const struct swf *workload);

/* The processors that a job had; where unknown, those it asked for; else SWF_UNKNOWN. */
int64_t scale_job_processors(const struct swf_job *job);

/* The memory per processor that a job asked for; where unknown, what it used; else SWF_UNKNOWN. */
int64_t scale_job_memory_kb(const struct swf_job *job);

/* A job that can be replayed: it ran, on a known number of processors. */
bool scale_job_runs(const struct swf_job *job);

/* The demand of a job, rounded up to whole units; at least one of each. */
struct scale_units scale_demand(const struct scale_target *target, const struct scale_origin *origin,
				const struct swf_job *job);

/* Is there a node on which the demand exceeds no limit? */
bool scale_fits(const struct scale_target *target, struct scale_units demand);

/* The jobs that can be replayed, at most `most` of them, by arrival (equal ones in the file's order), times divided by
 * speedup. *skipped counts the others. Returns an array to free() and its length; NULL: no memory, or no such job
 * (*count is then 0). */
struct scale_job *scale_jobs(const struct swf *workload, const struct scale_target *target,
			     const struct scale_origin *origin, double speedup, size_t most, size_t *count,
			     size_t *skipped);

/* The speedup at which neither the arrivals nor the work, spread over `workers`, take longer than within_ns; at
 * least 1. */
double scale_speedup(const struct swf *workload, uint32_t workers, uint64_t within_ns);

#endif
