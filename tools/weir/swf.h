/* SPDX-License-Identifier: MIT */
/*
 * swf.h - workloads in the Standard Workload Format, version 2.2: read, built up, written.
 *
 * The format: a header of lines "; Key: value", then one job a line in 18 fields, -1 where unknown. Times are in
 * seconds, with decimals where need be, memory in KB per processor. docs/replay.md has it for users.
 *
 *	struct swf w;
 *	char why[SWF_ERROR_BYTES];
 *	if (swf_read(&w, "workload.swf", why))
 *		die(why);
 *	...
 *	swf_free(&w);
 *
 *	struct swf w = SWF_EMPTY;
 *	swf_header_add(&w, "MaxProcs", "%u", cores);
 *	struct swf_job job = SWF_JOB_UNKNOWN;
 *	job.number = 1, job.submit_ns = ..., job.run_ns = ...;
 *	swf_job_add(&w, &job);
 *	swf_write(&w, stream);
 *	swf_free(&w);
 */
#ifndef WEIR_TOOLS_SWF_H
#define WEIR_TOOLS_SWF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SWF_FIELDS 18
#define SWF_UNKNOWN (-1)
#define SWF_ERROR_BYTES 512

/* What field 11 says. */
enum swf_status { SWF_FAILED = 0, SWF_COMPLETED = 1, SWF_PARTIAL = 2, SWF_LAST_PARTIAL = 3, SWF_CANCELLED = 5 };

/* One job: the fields in their order, SWF_UNKNOWN where the file says -1. */
struct swf_job {
	int64_t number;
	int64_t submit_ns; /* since the start of the log; never unknown */
	int64_t wait_ns;
	int64_t run_ns; /* wall time */
	int64_t processors;
	int64_t cpu_ns;		/* used, average per processor */
	int64_t memory_used_kb; /* average per processor */
	int64_t processors_requested;
	int64_t run_requested_ns;
	int64_t memory_requested_kb; /* per processor */
	int64_t status;		     /* enum swf_status */
	int64_t user;
	int64_t group;
	int64_t executable;
	int64_t queue;
	int64_t partition;
	int64_t preceding; /* job number */
	int64_t think_ns;
	uint64_t line; /* of the file it was read from; 0 if it was not */
};

#define SWF_JOB_UNKNOWN ((struct swf_job){-1, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0})

/* A header line; key "" for a comment without one. */
struct swf_header {
	char *key;
	char *value;
};

struct swf {
	struct swf_header *header;
	size_t headers;
	size_t headers_room;
	struct swf_job *job; /* in the file's order */
	size_t jobs;
	size_t jobs_room;
};

#define SWF_EMPTY ((struct swf){0})

/* Read a file; "-" is standard input. A file is read whole or not at all.
 * Returns 0, or -1 with "file:line: what is wrong" in `why`; *out is then empty. */
int swf_read(struct swf *out, const char *path, char why[SWF_ERROR_BYTES]);

/* The same from a stream; name is what errors call it. */
int swf_read_stream(struct swf *out, FILE *in, const char *name, char why[SWF_ERROR_BYTES]);

/* Write it all, times to the nanosecond. The caller closes.
 * Returns 0, or -1 with errno if the stream failed. */
int swf_write(const struct swf *workload, FILE *out);

/* Returns 0, or -1: no memory. */
int swf_header_add(struct swf *workload, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int swf_job_add(struct swf *workload, const struct swf_job *job);

/* The value of a header line, whatever the case of its key; NULL: there is none. The last one if there are several. */
const char *swf_header(const struct swf *workload, const char *key);

/* The number at the start of a header's value; SWF_UNKNOWN where there is no such line or number. */
int64_t swf_header_number(const struct swf *workload, const char *key);

void swf_free(struct swf *workload);

#endif
