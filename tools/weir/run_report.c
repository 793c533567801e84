/* SPDX-License-Identifier: MIT */
/*
 * run_report.c - counts of results, and the two lines that show them.
 *
 * Invariant: J1  the grants of what runs never sum to more than the limits.
 *            J2  jobs = succeeded + failed + stopped + refused + not_started, once all has ended.
 * Together:  the caller excludes.
 */
#include "run_report.h"

#include <inttypes.h>

enum { TEXT_BYTES = 32 };

void run_counts_start(struct run_counts *counts, const weir_amount *granted)
{
	counts->running++;
	counts->held_cores += granted->cores;
	counts->held_memory_bytes += granted->memory_bytes;
	if (counts->held_cores > counts->most_cores)
		counts->most_cores = counts->held_cores;
	if (counts->held_memory_bytes > counts->most_memory_bytes)
		counts->most_memory_bytes = counts->held_memory_bytes;
}

void run_counts_end(struct run_counts *counts, const weir_amount *granted)
{
	counts->running--;
	counts->held_cores -= granted->cores; /* exact: cores are whole 1/64ths */
	counts->held_memory_bytes -= granted->memory_bytes;
}

void run_counts_add(struct run_counts *counts, const struct result *result, uint64_t granted_memory)
{
	switch (result->end) {
	case RESULT_SUCCEEDED:
		counts->succeeded++;
		break;
	case RESULT_FAILED:
		counts->failed++;
		break;
	case RESULT_STOPPED:
		counts->stopped++;
		break;
	case RESULT_REFUSED:
		counts->refused++;
		break;
	case RESULT_NOT_STARTED:
		counts->not_started++;
		break;
	}
	counts->cpu_ns += result->cpu_ns;
	if (granted_memory && result->peak_memory_bytes > granted_memory)
		counts->over_memory++;
	if (result->peak_memory_bytes > counts->peak_memory_bytes)
		counts->peak_memory_bytes = result->peak_memory_bytes;
}

const char *run_counts_wrong(const struct run_counts *c, const weir_amount *limit)
{
	if (c->most_cores > limit->cores || c->most_memory_bytes > limit->memory_bytes)
		return "J1: more was granted at once than the limits";
	if (c->running || c->succeeded + c->failed + c->stopped + c->refused + c->not_started != c->jobs)
		return "J2: some commands ended twice or not at all";
	return NULL;
}

static const char *bytes_text(char text[TEXT_BYTES], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;
	while (value >= 1024) {
		value /= 1024;
		unit++;
	}
	snprintf(text, TEXT_BYTES, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

void run_report_progress(FILE *out, const struct run_counts *c, const weir_amount *limit)
{
	char held[TEXT_BYTES], all[TEXT_BYTES];
	fprintf(out,
		"\rweir: %" PRIu64 " of %" PRIu64 " done, %" PRIu64 " running, %" PRIu64
		" failed; %.4g of %.4g cores, %s of %s\033[K",
		c->succeeded + c->failed + c->stopped + c->refused, c->jobs, c->running, c->failed + c->refused,
		c->held_cores, limit->cores, bytes_text(held, c->held_memory_bytes),
		bytes_text(all, limit->memory_bytes));
	fflush(out);
}

void run_report_summary(FILE *out, const struct run_counts *c, const weir_amount *limit, uint64_t wall_ns)
{
	char largest[TEXT_BYTES], most[TEXT_BYTES], all[TEXT_BYTES];
	const struct {
		uint64_t count;
		const char *text;
	} others[] = {{c->failed, "failed"},
		      {c->refused, "infeasible"},
		      {c->stopped, "stopped"},
		      {c->not_started, "not started"},
		      {c->over_memory, "used more memory than stated"}};
	fprintf(out, "weir: %" PRIu64 " command%s: %" PRIu64 " succeeded", c->jobs, c->jobs == 1 ? "" : "s",
		c->succeeded);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].count)
			fprintf(out, ", %" PRIu64 " %s", others[i].count, others[i].text);
	}
	fprintf(out, "; %.3f s, CPU %.3f s, largest %s; at most %.4g of %.4g cores and %s of %s granted at once\n",
		(double)wall_ns / (double)WEIR_NS_PER_S, (double)c->cpu_ns / (double)WEIR_NS_PER_S,
		bytes_text(largest, c->peak_memory_bytes), c->most_cores, limit->cores,
		bytes_text(most, c->most_memory_bytes), bytes_text(all, limit->memory_bytes));
}
