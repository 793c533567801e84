/* SPDX-License-Identifier: MIT */
/*
 * report.c - adding up a replay's jobs, and saying it.
 *
 * Holds:     nothing.
 * Invariant: V5  the first verdicts sum to the jobs; completed + failed + cancelled + rejected + deferred too.
 * Not here:  what bodies hold (replay_body.c counts it).
 */
#include "report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Adding up. ----------------------------------------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return a < b ? -1 : a > b;
}

/* The smallest value that at least per_cent % of the values do not exceed. */
static uint64_t nearest_rank(const uint64_t *sorted, size_t count, unsigned per_cent)
{
	size_t rank = (count * per_cent + 99) / 100;
	return sorted[rank ? rank - 1 : 0];
}

struct report_times report_times(uint64_t *values, size_t count)
{
	if (!count)
		return (struct report_times){0};
	qsort(values, count, sizeof(*values), by_value);
	return (struct report_times){
		.p50 = nearest_rank(values, count, 50),
		.p95 = nearest_rank(values, count, 95),
		.p99 = nearest_rank(values, count, 99),
		.max = values[count - 1],
	};
}

static void add_end(struct report *report, const struct body *body)
{
	bool never_to_run = body->verdict == WEIR_REJECTED || body->verdict == WEIR_DEFERRED;
	switch (body->end) {
	case BODY_NOT_RUN:
		report->cancelled += !never_to_run;
		return;
	case BODY_COMPLETED:
		report->completed++;
		return;
	case BODY_CANCELLED:
		report->cancelled++;
		return;
	case BODY_NO_MEMORY:
		report->failed_no_memory++;
		report->failed++;
		return;
	case BODY_CORRUPT:
		report->failed_corrupt++;
		report->failed++;
		return;
	}
}

/* Units of one kind held for nanoseconds, as a share of the limit held for the makespan. */
static double share_used(double held_unit_ns, uint64_t limit_units, uint64_t makespan_ns)
{
	return limit_units && makespan_ns ? held_unit_ns / ((double)limit_units * (double)makespan_ns) : 0;
}

static uint64_t peak_rss_bytes(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}

int report_add_up(struct report *report, const struct bodies *all, const struct body *body, size_t bodies,
		  uint64_t began_ns)
{
	uint64_t *waits = calloc(bodies ? bodies : 1, sizeof(*waits));
	if (!waits)
		return -1;
	size_t ran = 0;
	uint64_t ended_ns = began_ns, at_home = 0, placed = 0;
	double cpu_unit_ns = 0, memory_unit_ns = 0;
	for (size_t i = 0; i < bodies; i++) {
		const struct body *b = &body[i];
		if (!b->submitted)
			continue;
		report->jobs++;
		report->verdict[b->verdict]++;
		if (b->verdict == WEIR_REJECTED)
			report->rejected_by_cause[b->cause]++;
		report->infeasible += !scale_fits(report->target, b->job.demand);
		add_end(report, b);
		if (b->end == BODY_NOT_RUN)
			continue;
		uint64_t due_ns = began_ns + b->job.arrive_ns;
		waits[ran++] = b->start_ns > due_ns ? b->start_ns - due_ns : 0;
		cpu_unit_ns += (double)b->job.demand.cpu * (double)(b->end_ns - b->start_ns);
		memory_unit_ns += (double)b->job.demand.memory * (double)(b->end_ns - b->start_ns);
		ended_ns = b->end_ns > ended_ns ? b->end_ns : ended_ns;
		placed += b->place != BODY_PLACE_UNKNOWN;
		at_home += b->place == BODY_AT_HOME;
	}
	report->wait_ns = report_times(waits, ran);
	free(waits);
	report->makespan_ns = ended_ns - began_ns;
	report->utilisation_cpu = share_used(cpu_unit_ns, report->target->total.cpu, report->makespan_ns);
	report->utilisation_memory = share_used(memory_unit_ns, report->target->total.memory, report->makespan_ns);
	report->home_ratio = placed ? (double)at_home / (double)placed : -1;
	report->overcommit_events = atomic_load_explicit(&all->overcommit_events, memory_order_relaxed);
	report->peak_rss_bytes = peak_rss_bytes();
	report->held = all->held;
	return 0;
}

bool report_is_sound(const struct report *r, FILE *err)
{
	uint64_t verdicts = 0;
	for (int v = 0; v < WEIR_VERDICTS; v++)
		verdicts += r->verdict[v];
	uint64_t ends = r->completed + r->failed + r->cancelled + r->verdict[WEIR_REJECTED] + r->verdict[WEIR_DEFERRED];
	uint64_t infeasible = r->rejected_by_cause[WEIR_CAUSE_INFEASIBLE];
	bool sound = true;
	if (verdicts != r->jobs || ends != r->jobs) {
		fprintf(err, "weir replay: %" PRIu64 " jobs, but %" PRIu64 " verdicts and %" PRIu64 " ends\n", r->jobs,
			verdicts, ends);
		sound = false;
	}
	if (r->aware && infeasible != r->infeasible) {
		fprintf(err,
			"weir replay: %" PRIu64
			" jobs were rejected as infeasible, but by the file and the limits it is %" PRIu64 "\n",
			infeasible, r->infeasible);
		sound = false;
	}
	if (r->aware && r->overcommit_events) {
		fprintf(err, "weir replay: jobs held more than a limit %" PRIu64 " times\n", r->overcommit_events);
		sound = false;
	}
	if (r->failed) {
		fprintf(err,
			"weir replay: %" PRIu64 " jobs failed: %" PRIu64 " got no memory, of %" PRIu64
			" it was overwritten\n",
			r->failed, r->failed_no_memory, r->failed_corrupt);
		sound = false;
	}
	return sound;
}

/* For people. ---------------------------------------------------------------------------------------------------- */

static double cores_of(const struct report *r, uint64_t units)
{
	return (double)units / r->target->units_per_core;
}

static uint64_t bytes_of(const struct report *r, uint64_t units)
{
	return units * r->target->memory_unit_bytes;
}

static double mib_of(const struct report *r, uint64_t units)
{
	return (double)bytes_of(r, units) / (1024 * 1024);
}

static double ms_of(uint64_t ns)
{
	return (double)ns / 1e6;
}

static uint64_t read_relaxed(const _Atomic(uint64_t) *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void print_held(const struct report *r, FILE *out, const char *what, uint32_t place, struct scale_units limit)
{
	const struct body_held *held = &r->held[place];
	fprintf(out, "  %-12s %.3g of %.3g cores, %.1f of %.1f MiB\n", what, cores_of(r, read_relaxed(&held->cpu_peak)),
		cores_of(r, limit.cpu), mib_of(r, read_relaxed(&held->memory_peak)), mib_of(r, limit.memory));
}

static void print_causes(const struct report *r, FILE *out)
{
	for (int c = 0; c < WEIR_CAUSES; c++) {
		if (r->rejected_by_cause[c])
			fprintf(out, ", %s %" PRIu64, report_cause_key((weir_cause)c), r->rejected_by_cause[c]);
	}
	fputc('\n', out);
}

void report_print(const struct report *r, FILE *out)
{
	const uint64_t *v = r->verdict;
	fprintf(out, "%s%s\n", r->workload, r->interrupted ? " (interrupted)" : "");
	fprintf(out, "  machine      %s, %" PRIu32 " node%s, %" PRIu32 " workers; strategy %s, admission %s\n",
		r->machine, r->target->nodes, r->target->nodes == 1 ? "" : "s", r->workers, r->strategy, r->admission);
	fprintf(out, "  scaled       from %" PRId64 " processors (%s)", r->origin->processors,
		r->origin->processors_from);
	if (r->origin->memory_kb > 0)
		fprintf(out, " and %" PRId64 " KB (%s)", r->origin->memory_kb, r->origin->memory_from);
	fprintf(out, ", %g times as fast\n", r->speedup);
	fprintf(out, "  jobs         %" PRIu64 ", %zu more skipped\n", r->jobs, r->skipped);
	fprintf(out, "  at first     admitted %" PRIu64 ", queued %" PRIu64 ", deferred %" PRIu64 ", rejected %" PRIu64,
		v[WEIR_ADMITTED], v[WEIR_QUEUED], v[WEIR_DEFERRED], v[WEIR_REJECTED]);
	print_causes(r, out);
	fprintf(out, "  in the end   completed %" PRIu64 ", failed %" PRIu64 ", cancelled %" PRIu64 "\n", r->completed,
		r->failed, r->cancelled);
	fprintf(out, "  waited       p50 %.3f ms, p95 %.3f ms, p99 %.3f ms, at most %.3f ms\n", ms_of(r->wait_ns.p50),
		ms_of(r->wait_ns.p95), ms_of(r->wait_ns.p99), ms_of(r->wait_ns.max));
	fprintf(out, "  makespan     %.3f s\n", (double)r->makespan_ns / 1e9);
	fprintf(out, "  utilisation  CPU %.1f %%, memory %.1f %%\n", r->utilisation_cpu * 100,
		r->utilisation_memory * 100);
	if (r->fragmentation >= 0)
		fprintf(out, "  scattered    %.3f of the spare room, on average at an arrival\n", r->fragmentation);
	if (r->home_ratio >= 0)
		fprintf(out, "  at home      %.1f %% of the jobs ran on their node's cores and memory\n",
			r->home_ratio * 100);
	print_held(r, out, "peak held", r->target->nodes, r->target->total);
	for (uint32_t n = 0; r->target->nodes > 1 && n < r->target->nodes; n++) {
		char what[32];
		snprintf(what, sizeof(what), "  node %" PRIu32, n);
		print_held(r, out, what, n, r->target->node[n]);
	}
	fprintf(out, "  over-commits %" PRIu64 "\n", r->overcommit_events);
	fprintf(out, "  peak memory  %.1f MiB of the whole process\n", (double)r->peak_rss_bytes / (1024 * 1024));
}

/* For programs. -------------------------------------------------------------------------------------------------- */

const char *report_cause_key(weir_cause cause)
{
	static const char *const keys[WEIR_CAUSES] = {
		[WEIR_CAUSE_NONE] = "none",
		[WEIR_CAUSE_INFEASIBLE] = "infeasible",
		[WEIR_CAUSE_SHORT] = "short",
		[WEIR_CAUSE_FRAGMENTED] = "fragmented",
		[WEIR_CAUSE_CLASS_FLOOR] = "class_floor",
		[WEIR_CAUSE_CLAIMED] = "claimed",
		[WEIR_CAUSE_CONTENDED] = "contended",
		[WEIR_CAUSE_QUEUE_FULL] = "queue_full",
		[WEIR_CAUSE_SHUTDOWN] = "shutdown",
		[WEIR_CAUSE_INVALID] = "invalid",
	};
	return (unsigned)cause < WEIR_CAUSES ? keys[cause] : "unknown";
}

/* Infeasible is always there, the others where they happened. */
static json_t *json_causes(const struct report *r)
{
	json_t *causes = json_object();
	for (int c = 0; c < WEIR_CAUSES; c++) {
		if (c == WEIR_CAUSE_INFEASIBLE || r->rejected_by_cause[c])
			json_object_set_new(causes, report_cause_key((weir_cause)c),
					    json_integer((json_int_t)r->rejected_by_cause[c]));
	}
	return causes;
}

static json_t *json_amount(const struct report *r, struct scale_units units)
{
	return json_pack("{s:f, s:I}", "cpu", cores_of(r, units.cpu), "memory", (json_int_t)bytes_of(r, units.memory));
}

static struct scale_units peak_of(const struct report *r, uint32_t place)
{
	return (struct scale_units){read_relaxed(&r->held[place].cpu_peak), read_relaxed(&r->held[place].memory_peak)};
}

/* {cpu, memory, nodes: [{cpu, memory}, ...]} */
static json_t *json_amounts(const struct report *r, bool peak)
{
	const struct scale_target *target = r->target;
	json_t *amounts = json_amount(r, peak ? peak_of(r, target->nodes) : target->total);
	json_t *nodes = json_array();
	for (uint32_t n = 0; n < target->nodes; n++)
		json_array_append_new(nodes, json_amount(r, peak ? peak_of(r, n) : target->node[n]));
	json_object_set_new(amounts, "nodes", nodes);
	return amounts;
}

static json_t *json_known(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

/* A file's name may be no text; then what is not ASCII is shown as '?'. */
static json_t *json_text(const char *text)
{
	json_t *json = json_string(text);
	if (json)
		return json;
	char *shown = strdup(text);
	for (char *c = shown; c && *c; c++)
		*c = *c & 0x80 ? '?' : *c;
	json = shown ? json_string(shown) : NULL;
	free(shown);
	return json;
}

static json_t *json_report(const struct report *r)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:I, s:{s:f, s:f}, s:o, "
		"s:o, s:o, s:o, s:I, s:I, s:s, s:s, s:o}",
		"jobs", (json_int_t)r->jobs, "skipped", (json_int_t)r->skipped, "admitted",
		(json_int_t)r->verdict[WEIR_ADMITTED], "queued", (json_int_t)r->verdict[WEIR_QUEUED], "deferred",
		(json_int_t)r->verdict[WEIR_DEFERRED], "rejected", (json_int_t)r->verdict[WEIR_REJECTED],
		"rejected_by_cause", json_causes(r), "completed", (json_int_t)r->completed, "failed",
		(json_int_t)r->failed, "cancelled", (json_int_t)r->cancelled, "wait_ns", "p50",
		(json_int_t)r->wait_ns.p50, "p95", (json_int_t)r->wait_ns.p95, "p99", (json_int_t)r->wait_ns.p99, "max",
		(json_int_t)r->wait_ns.max, "makespan_ns", (json_int_t)r->makespan_ns, "utilisation", "cpu",
		r->utilisation_cpu, "memory", r->utilisation_memory, "fragmentation", json_known(r->fragmentation),
		"home_node_ratio", json_known(r->home_ratio), "peak_held", json_amounts(r, true), "limit",
		json_amounts(r, false), "overcommit_events", (json_int_t)r->overcommit_events, "peak_rss_bytes",
		(json_int_t)r->peak_rss_bytes, "strategy", r->strategy, "admission", r->admission, "machine",
		json_text(r->machine));
}

int report_json(const struct report *report, FILE *out)
{
	json_t *json = json_report(report);
	int result = json ? json_dumpf(json, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : -1;
	json_decref(json);
	return result || fputc('\n', out) == EOF || fflush(out) ? -1 : 0;
}
