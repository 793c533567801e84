/* SPDX-License-Identifier: MIT */
/*
 * record.c - commands as jobs of a workload: demands as requests, measurements as use.
 *
 * Holds:     nothing.
 * Invariant: jobs are numbered from 1 in the order of the job list, which is that of their submission.
 * Not here:  the format itself (swf.c).
 *
 * The format counts whole processors, so a demand of half a core becomes one. It has no place for counted resources,
 * and none for a machine's memory: that is added as a header of our own, which `weir replay` knows.
 */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "swf.h"

enum { KB = 1024 };

static uint64_t up(uint64_t amount, uint64_t unit)
{
	return amount / unit + (amount % unit != 0);
}

/* To microseconds: what is below is noise. What is above zero stays so, as a run time of 0 means that nothing ran. */
static int64_t rounded(uint64_t ns)
{
	uint64_t us = (ns + WEIR_NS_PER_US / 2) / WEIR_NS_PER_US;
	return (int64_t)((ns && !us ? 1 : us) * WEIR_NS_PER_US);
}

static int64_t processors(const weir_demand *demand)
{
	double whole = ceil(demand->cores);
	return whole > 1 ? (int64_t)whole : 1;
}

static int64_t status_of(enum result_end end)
{
	return end == RESULT_SUCCEEDED ? SWF_COMPLETED : end == RESULT_FAILED ? SWF_FAILED : SWF_CANCELLED;
}

static struct swf_job job_of(const struct record_frame *frame, const struct job *job, const struct result *result,
			     size_t index)
{
	struct swf_job out = SWF_JOB_UNKNOWN;
	int64_t cpus = processors(&job->demand);
	out.number = (int64_t)index + 1;
	out.processors_requested = cpus;
	out.run_requested_ns = frame->timeout_ns ? (int64_t)frame->timeout_ns : SWF_UNKNOWN;
	if (job->demand.memory_bytes)
		out.memory_requested_kb = (int64_t)up(job->demand.memory_bytes, (uint64_t)cpus * KB);
	out.status = status_of(result->end);
	out.queue = (int64_t)job->demand.task_class + 1;
	if (result->submitted_ns > frame->start_ns)
		out.submit_ns = rounded(result->submitted_ns - frame->start_ns);
	if (!result->started_ns)
		return out;
	out.wait_ns = rounded(result->started_ns - result->submitted_ns);
	out.run_ns = rounded(result->wall_ns);
	out.processors = cpus;
	out.cpu_ns = rounded(result->cpu_ns / (uint64_t)cpus);
	out.memory_used_kb = (int64_t)up(result->peak_memory_bytes, (uint64_t)cpus * KB);
	out.partition = (int64_t)result->node + 1;
	return out;
}

static int add_date(struct swf *workload, const char *key, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / WEIR_NS_PER_S);
	struct tm local;
	char text[64] = "";
	if (localtime_r(&seconds, &local))
		strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Z %Y", &local);
	return swf_header_add(workload, key, "%s", text);
}

static int add_headers(struct swf *workload, const struct record_frame *frame, size_t jobs)
{
	char host[256] = "";
	if (gethostname(host, sizeof(host) - 1))
		strcpy(host, "unknown");
	int64_t cores = (int64_t)floor(frame->limit.cores);
	int failed = 0;
	failed |= swf_header_add(workload, "Version", "2.2");
	failed |= swf_header_add(workload, "Computer", "%s, as limited for weir run", host);
	failed |= swf_header_add(workload, "Conversion", "recorded by weir %s", weir_version());
	failed |= swf_header_add(workload, "MaxJobs", "%zu", jobs);
	failed |= swf_header_add(workload, "MaxRecords", "%zu", jobs);
	failed |= swf_header_add(workload, "Preemption", "No");
	failed |= swf_header_add(workload, "UnixStartTime", "%" PRIu64, frame->start_unix_ns / WEIR_NS_PER_S);
	failed |= add_date(workload, "StartTime", frame->start_unix_ns);
	failed |= add_date(workload, "EndTime", frame->end_unix_ns);
	failed |= swf_header_add(workload, "MaxNodes", "%" PRIu32, frame->nodes);
	failed |= swf_header_add(workload, "MaxProcs", "%" PRId64, cores > 1 ? cores : 1);
	failed |= swf_header_add(workload, "WeirMachineMemory", "%" PRIu64, frame->limit.memory_bytes / KB);
	failed |= swf_header_add(workload, "MaxQueues", "%d", WEIR_CLASSES);
	for (int c = 0; c < WEIR_CLASSES; c++)
		failed |= swf_header_add(workload, "Queue", "%d %s", c + 1, weir_class_name((weir_class)c));
	failed |= swf_header_add(workload, "MaxPartitions", "%" PRIu32, frame->nodes);
	failed |=
		swf_header_add(workload, "Note", "partitions are NUMA nodes, the limits of this run were its machine");
	failed |= swf_header_add(workload, "Note", "WeirMachineMemory is the memory limit in KB");
	return failed;
}

int record_write(const char *path, const struct record_frame *frame, const struct jobfile *file,
		 const struct result *results)
{
	struct swf workload = SWF_EMPTY;
	int failed = add_headers(&workload, frame, file->jobs);
	for (size_t i = 0; i < file->jobs && !failed; i++) {
		struct swf_job job = job_of(frame, &file->job[i], &results[i], i);
		failed = swf_job_add(&workload, &job);
	}
	int error = failed ? ENOMEM : 0;
	FILE *out = error ? NULL : fopen(path, "we");
	if (out && swf_write(&workload, out))
		error = errno ? errno : EIO;
	if ((!error && !out) || (out && fclose(out) && !error))
		error = errno;
	swf_free(&workload);
	return error;
}
