/* SPDX-License-Identifier: MIT */
/*
 * replay_scale.c - from the workload's machine to this one's limits, and from its time to ours.
 *
 * Holds:     nothing.
 * Invariant: V3  a demand covers the job's part of its machine: demand / limit >= job / machine, by less than one unit.
 * Not here:  what the ledger's units and limits are (replay.c asks the tracker), how jobs run (replay_body.c).
 */
#include "replay_scale.h"

#include <ctype.h>
#include <stdlib.h>

typedef unsigned __int128 wide;

/* The workload's machine. ---------------------------------------------------------------------------------------- */

int64_t scale_job_processors(const struct swf_job *job)
{
	if (job->processors > 0)
		return job->processors;
	return job->processors_requested > 0 ? job->processors_requested : SWF_UNKNOWN;
}

int64_t scale_job_memory_kb(const struct swf_job *job)
{
	if (job->memory_requested_kb > 0)
		return job->memory_requested_kb;
	return job->memory_used_kb > 0 ? job->memory_used_kb : SWF_UNKNOWN;
}

bool scale_job_runs(const struct swf_job *job)
{
	return job->run_ns > 0 && scale_job_processors(job) > 0;
}

static int64_t largest(const struct swf *workload, int64_t (*of)(const struct swf_job *))
{
	int64_t most = SWF_UNKNOWN;
	for (size_t i = 0; i < workload->jobs; i++) {
		int64_t value = of(&workload->job[i]);
		if (value > most)
			most = value;
	}
	return most;
}

/* a * b, or SWF_UNKNOWN where one is unknown or the product is not of this world. */
static int64_t product(int64_t a, int64_t b)
{
	int64_t result;
	return a <= 0 || b <= 0 || __builtin_mul_overflow(a, b, &result) ? SWF_UNKNOWN : result;
}

/* Add up every "N nodes of M cores, K KB each" in a text. SWF_UNKNOWN unless the cores come to `processors`. */
static int64_t memory_of_computer(const char *text, int64_t processors)
{
	int64_t cores_sum = 0, memory_sum = 0;
	while (text && *text) {
		long nodes, cores, kb;
		int used = 0;
		if (!isdigit((unsigned char)*text)) {
			text++;
			continue;
		}
		if (sscanf(text, "%9ld nodes of %9ld cores, %18ld KB each%n", &nodes, &cores, &kb, &used) == 3 &&
		    used) {
			int64_t memory = product(nodes, kb);
			if (memory < 0 || __builtin_add_overflow(memory_sum, memory, &memory_sum))
				return SWF_UNKNOWN;
			cores_sum += (int64_t)nodes * cores;
			text += used;
		}
		while (isdigit((unsigned char)*text))
			text++;
	}
	return memory_sum > 0 && cores_sum == processors ? memory_sum : SWF_UNKNOWN;
}

static void read_processors(struct scale_origin *out, const struct swf *workload)
{
	out->processors_from = "header MaxProcs";
	out->processors = swf_header_number(workload, "MaxProcs");
	if (out->processors > 0)
		return;
	out->processors_from = "header MaxNodes";
	out->processors = swf_header_number(workload, "MaxNodes");
	if (out->processors > 0)
		return;
	out->processors_from = "the largest job";
	out->processors = largest(workload, scale_job_processors);
}

static void read_memory(struct scale_origin *out, const struct swf *workload)
{
	out->memory_from = "header WeirMachineMemory";
	out->memory_kb = swf_header_number(workload, "WeirMachineMemory");
	if (out->memory_kb > 0)
		return;
	out->memory_from = "header Computer";
	out->memory_kb = memory_of_computer(swf_header(workload, "Computer"), out->processors);
	if (out->memory_kb > 0)
		return;
	out->memory_from = "header MaxMemory, for each processor";
	out->memory_kb = product(swf_header_number(workload, "MaxMemory"), out->processors);
	if (out->memory_kb > 0)
		return;
	out->memory_from = "the most that a job has for a processor";
	out->memory_kb = product(largest(workload, scale_job_memory_kb), out->processors);
	if (out->memory_kb < 0)
		out->memory_from = "nowhere: each job gets its processors' share";
}

int scale_origin_read(struct scale_origin *out, const struct swf *workload)
{
	read_processors(out, workload);
	read_memory(out, workload);
	return out->processors > 0 ? 0 : -1;
}

/* Demands. ------------------------------------------------------------------------------------------------------- */

/* part / whole of `units`, rounded up; at least 1, at most UINT64_MAX. */
static uint64_t part_of(wide part, uint64_t whole, uint64_t units)
{
	if (part >> 64 || (part * units) / whole >> 63)
		return UINT64_MAX;
	wide up = (part * units + whole - 1) / whole;
	return up ? (uint64_t)up : 1;
}

struct scale_units scale_demand(const struct scale_target *target, const struct scale_origin *origin,
				const struct swf_job *job)
{
	uint64_t processors = (uint64_t)scale_job_processors(job);
	int64_t memory_kb = scale_job_memory_kb(job);
	struct scale_units demand;
	demand.cpu = part_of(processors, (uint64_t)origin->processors, target->total.cpu);
	if (memory_kb > 0 && origin->memory_kb > 0)
		demand.memory = part_of((wide)processors * (uint64_t)memory_kb, (uint64_t)origin->memory_kb,
					target->total.memory);
	else
		demand.memory = part_of(processors, (uint64_t)origin->processors, target->total.memory);
	return demand;
}

bool scale_fits(const struct scale_target *target, struct scale_units demand)
{
	for (uint32_t n = 0; n < target->nodes; n++) {
		struct scale_place place = target->place ? target->place[n] : (struct scale_place){n, n};
		if (demand.cpu <= target->node[place.cpu_node].cpu &&
		    demand.memory <= target->node[place.memory_node].memory)
			return true;
	}
	return false;
}

/* Time. ---------------------------------------------------------------------------------------------------------- */

static uint64_t shortened(int64_t ns, double speedup)
{
	double scaled = (double)ns / speedup;
	return scaled < 1 ? 1 : scaled < 9e18 ? (uint64_t)scaled : UINT64_C(9000000000000000000);
}

static int by_arrival(const void *left, const void *right)
{
	const struct scale_job *a = left, *b = right;
	if (a->from->submit_ns != b->from->submit_ns)
		return a->from->submit_ns < b->from->submit_ns ? -1 : 1;
	return a->from < b->from ? -1 : a->from > b->from;
}

struct scale_job *scale_jobs(const struct swf *workload, const struct scale_target *target,
			     const struct scale_origin *origin, double speedup, size_t most, size_t *count,
			     size_t *skipped)
{
	*count = *skipped = 0;
	struct scale_job *jobs = calloc(workload->jobs, sizeof(*jobs));
	for (size_t i = 0; jobs && i < workload->jobs; i++) {
		const struct swf_job *from = &workload->job[i];
		if (scale_job_runs(from))
			jobs[(*count)++] = (struct scale_job){.from = from, .run_ns = shortened(from->run_ns, speedup)};
		else
			++*skipped;
	}
	if (!*count) {
		free(jobs);
		return NULL;
	}
	qsort(jobs, *count, sizeof(*jobs), by_arrival);
	if (*count > most)
		*count = most;
	for (size_t i = 0; i < *count; i++) {
		int64_t after = jobs[i].from->submit_ns - jobs[0].from->submit_ns;
		jobs[i].arrive_ns = after ? shortened(after, speedup) : 0;
		jobs[i].demand = scale_demand(target, origin, jobs[i].from);
	}
	return jobs;
}

double scale_speedup(const struct swf *workload, uint32_t workers, uint64_t within_ns)
{
	int64_t first = INT64_MAX, last = 0;
	double work_ns = 0;
	for (size_t i = 0; i < workload->jobs; i++) {
		const struct swf_job *job = &workload->job[i];
		if (!scale_job_runs(job))
			continue;
		first = job->submit_ns < first ? job->submit_ns : first;
		last = job->submit_ns > last ? job->submit_ns : last;
		work_ns += (double)job->run_ns;
	}
	double arrivals_ns = last > first ? (double)(last - first) : 0;
	work_ns /= workers;
	double speedup = (arrivals_ns > work_ns ? arrivals_ns : work_ns) / (double)within_ns;
	return speedup > 1 ? speedup : 1;
}
