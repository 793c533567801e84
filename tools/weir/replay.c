/* SPDX-License-Identifier: MIT */
/*
 * replay.c - `weir replay`: read a workload, scale it to a machine, submit each job when it is due, report.
 *
 * Holds:     one replay, in the main thread.
 * Not here:  the format (swf.c), scaling (replay_scale.c), what a job does (replay_body.c), the report (report.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "replay_body.h"
#include "replay_options.h"
#include "report.h"
#include "swf.h"

#define SPEEDUP_WITHIN_NS (10 * WEIR_NS_PER_S)
#define LIMIT_MEMORY_DEFAULT (UINT64_C(256) << 20)
#define TICK_NS (10 * WEIR_NS_PER_MS)
#define PROGRESS_NS (100 * WEIR_NS_PER_MS)

enum { EXIT_INTERRUPTED = 130 };

struct replay {
	struct replay_options options;
	struct swf workload;
	struct scale_origin origin;
	struct scale_target target;
	weir_node_limit *limit; /* of each node, as given to the pool */
	FILE *json;		/* where the report goes as JSON; NULL: nowhere */
	double speedup;
	struct body *body;
	size_t bodies_count;
	size_t skipped;
	struct bodies bodies;
	weir_pool *pool;
	weir_group *group;
	uint64_t began_ns;
	bool cancelled;
	double fragmentation_sum;
	uint64_t fragmentation_samples;
	bool progress;
	uint64_t progress_ns; /* when it was last shown */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

/* The second Ctrl-C ends the program as if there were no handler. */
static void catch_interrupts(void)
{
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int complain(const char *what)
{
	fprintf(stderr, "weir replay: %s\n", what);
	return -1;
}

static int complain_weir(const char *what)
{
	fprintf(stderr, "weir replay: %s: %s\n", what, weir_error_text());
	return -1;
}

/* Limits. -------------------------------------------------------------------------------------------------------- */

/* What this process may use of a machine by the library's own defaults, of each node and in all. */
static int default_limits(const char *machine, weir_amount **out_node, uint32_t *out_nodes, weir_amount *out_total)
{
	weir_tracker *tracker;
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = machine)))
		return complain_weir("machine");
	*out_nodes = weir_machine_nodes(weir_tracker_machine(tracker));
	*out_total = (weir_amount){0};
	*out_node = calloc(*out_nodes, sizeof(**out_node));
	for (uint32_t n = 0; *out_node && n < *out_nodes; n++) {
		weir_usage usage;
		if (weir_tracker_usage(tracker, n, &usage)) {
			weir_tracker_destroy(tracker);
			free(*out_node);
			return complain_weir("machine");
		}
		(*out_node)[n] = usage.limit;
		out_total->cores += usage.limit.cores;
		out_total->memory_bytes += usage.limit.memory_bytes;
	}
	weir_tracker_destroy(tracker);
	return *out_node ? 0 : complain("no memory for the machine's limits");
}

/* Bodies fill their memory, on whatever machine they seem to be: even on a plain pool, where each worker may have a job
 * as large as the limit, half of what this host allows must do. */
static int safe_memory(uint32_t workers, uint64_t machine_bytes, uint64_t *out)
{
	weir_amount *node, host;
	uint32_t nodes;
	if (default_limits("this", &node, &nodes, &host))
		return -1;
	free(node);
	uint64_t safe = host.memory_bytes / 2 / workers;
	*out = LIMIT_MEMORY_DEFAULT;
	if (*out > safe)
		*out = safe;
	if (*out > machine_bytes)
		*out = machine_bytes;
	return 0;
}

/* The limits of each node: its part of the totals, as it has of the defaults. */
static int choose_limits(struct replay *r)
{
	weir_amount *node, total;
	if (default_limits(r->options.machine, &node, &r->target.nodes, &total))
		return -1;
	double cores = r->options.limit_cores > 0 ? r->options.limit_cores : total.cores;
	uint64_t memory = r->options.limit_memory_bytes;
	uint32_t workers = r->options.workers ? r->options.workers : total.cores > 1 ? (uint32_t)total.cores : 1;
	int result = memory ? 0 : safe_memory(workers, total.memory_bytes, &memory);
	r->limit = calloc(r->target.nodes, sizeof(*r->limit));
	if (!r->limit)
		result = complain("no memory for the machine's limits");
	for (uint32_t n = 0; !result && n < r->target.nodes; n++) {
		unsigned __int128 part = (unsigned __int128)memory * node[n].memory_bytes;
		uint64_t bytes = total.memory_bytes ? (uint64_t)(part / total.memory_bytes) : 0;
		r->limit[n].cores = node[n].cores > 0 ? cores * (node[n].cores / total.cores) : -1;
		r->limit[n].memory_bytes = bytes ? bytes : WEIR_NONE;
	}
	free(node);
	return result;
}

static bool has_cores(const weir_node_info *info)
{
	return info->cores > 0;
}

static bool has_memory(const weir_node_info *info)
{
	return info->memory_bytes > 0;
}

/* The nearest node that has it, the node itself before all others, the lower number among equals. */
static uint32_t nearest(const weir_machine *machine, uint32_t from, bool (*has)(const weir_node_info *))
{
	uint32_t best = from, distance = UINT32_MAX;
	for (uint32_t n = 0; n < weir_machine_nodes(machine); n++) {
		weir_node_info info;
		if (weir_machine_node(machine, n, &info) || !has(&info))
			continue;
		if (n == from)
			return n;
		if (weir_machine_distance(machine, from, n) < distance) {
			distance = weir_machine_distance(machine, from, n);
			best = n;
		}
	}
	return best;
}

/* The limits as the ledger will have them, in its units. */
static int read_target(struct replay *r)
{
	weir_tracker *tracker;
	weir_limits limits = {.size = sizeof(limits), .node = r->limit, .nodes = r->target.nodes};
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = r->options.machine, .limits = &limits)))
		return complain_weir("limits");
	struct scale_target *target = &r->target;
	weir_tracker_units(tracker, &target->units_per_core, &target->memory_unit_bytes, NULL);
	target->node = calloc(target->nodes, sizeof(*target->node));
	target->place = calloc(target->nodes, sizeof(*target->place));
	int result = target->node && target->place ? 0 : complain("no memory for the machine's limits");
	const weir_machine *machine = weir_tracker_machine(tracker);
	for (uint32_t n = 0; !result && n < target->nodes; n++) {
		weir_usage usage = {0};
		if (weir_tracker_usage(tracker, n, &usage))
			result = complain_weir("limits");
		target->place[n] =
			(struct scale_place){nearest(machine, n, has_cores), nearest(machine, n, has_memory)};
		target->node[n].cpu = (uint64_t)(usage.limit.cores * target->units_per_core);
		target->node[n].memory = usage.limit.memory_bytes / target->memory_unit_bytes;
		target->total.cpu += target->node[n].cpu;
		target->total.memory += target->node[n].memory;
	}
	weir_tracker_destroy(tracker);
	return result;
}

/* Jobs. ---------------------------------------------------------------------------------------------------------- */

static int make_bodies(struct replay *r, const weir_machine *machine)
{
	struct scale_job *jobs = scale_jobs(&r->workload, &r->target, &r->origin, r->speedup, r->options.jobs_max,
					    &r->bodies_count, &r->skipped);
	r->body = calloc(r->bodies_count ? r->bodies_count : 1, sizeof(*r->body));
	if ((!jobs && r->bodies_count) || !r->body || bodies_init(&r->bodies, &r->target, machine, r->options.seed)) {
		free(jobs);
		return complain("no memory for the jobs");
	}
	for (size_t i = 0; i < r->bodies_count; i++)
		r->body[i] = (struct body){.all = &r->bodies, .job = jobs[i]};
	free(jobs);
	return 0;
}

static int make_pool(struct replay *r)
{
	weir_limits limits = {.size = sizeof(limits), .node = r->limit, .nodes = r->target.nodes};
	bool aware = !r->options.plain;
	/* No environment: two runs with the same options are the same run. */
	if (weir_pool_create(&r->pool, WEIR_OPTIONS(.machine = r->options.machine, .workers = r->options.workers,
						    .resource_aware = aware, .limits = aware ? &limits : NULL,
						    .strategy = aware ? weir_strategy_find(r->options.strategy) : NULL,
						    .admission = r->options.rule, .no_environment = true)))
		return complain_weir("pool");
	if (weir_group_create(&r->group, r->pool))
		return complain_weir("group");
	return 0;
}

static int prepare(struct replay *r)
{
	char why[SWF_ERROR_BYTES];
	if (swf_read(&r->workload, r->options.workload, why))
		return complain(why);
	if (scale_origin_read(&r->origin, &r->workload)) {
		fprintf(stderr, "weir replay: %s: no job has a number of processors\n", r->options.workload);
		return -1;
	}
	if (choose_limits(r) || read_target(r) || make_pool(r))
		return -1;
	r->speedup = r->options.speedup > 0
			     ? r->options.speedup
			     : scale_speedup(&r->workload, weir_pool_workers(r->pool), SPEEDUP_WITHIN_NS);
	return make_bodies(r, weir_pool_machine(r->pool));
}

static void clean_up(struct replay *r)
{
	weir_group_destroy(r->group);
	weir_pool_destroy(r->pool);
	bodies_fini(&r->bodies);
	free(r->body);
	free(r->target.node);
	free(r->target.place);
	free(r->limit);
	swf_free(&r->workload);
}

/* Running. ------------------------------------------------------------------------------------------------------- */

static void show_progress(struct replay *r, uint64_t now_ns, size_t submitted)
{
	enum { BAR = 30 };
	static const char done_bar[BAR + 1] = "##############################";
	if (!r->progress || now_ns - r->progress_ns < PROGRESS_NS)
		return;
	r->progress_ns = now_ns;
	uint64_t ended = atomic_load_explicit(&r->bodies.ended, memory_order_relaxed);
	uint64_t started = atomic_load_explicit(&r->bodies.started, memory_order_relaxed);
	int filled = (int)(ended * BAR / r->bodies_count);
	fprintf(stderr, "\r[%-*.*s] %" PRIu64 " of %zu jobs done, %" PRIu64 " running, %zu came\033[K", BAR, filled,
		done_bar, ended, r->bodies_count, started - (started < ended ? started : ended), submitted);
}

static void clear_progress(const struct replay *r)
{
	if (r->progress)
		fputs("\r\033[K", stderr);
}

/* One short sleep on the way to until_ns; returns the time then. */
static uint64_t tick(struct replay *r, uint64_t until_ns, size_t submitted)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	show_progress(r, now_ns, submitted);
	if (now_ns >= until_ns)
		return now_ns;
	uint64_t wake_ns = until_ns - now_ns > TICK_NS ? now_ns + TICK_NS : until_ns;
	struct timespec wake = {.tv_sec = (time_t)(wake_ns / WEIR_NS_PER_S),
				.tv_nsec = (long)(wake_ns % WEIR_NS_PER_S)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
	return weir_clock_monotonic_ns();
}

/* What a submission came to. Returns 0, or -1 if it says nothing about the job: the replay cannot go on. */
static int note_verdict(struct body *body, weir_status status, const weir_decision *decision)
{
	body->verdict = decision->verdict;
	body->cause = decision->cause;
	switch (status) {
	case WEIR_OK:
		break;
	case WEIR_EINFEASIBLE:
		body->verdict = WEIR_REJECTED;
		body->cause = WEIR_CAUSE_INFEASIBLE;
		break;
	case WEIR_EFULL:
		body->verdict = WEIR_REJECTED;
		body->cause = WEIR_CAUSE_QUEUE_FULL;
		break;
	case WEIR_EAGAIN:
		body->verdict = WEIR_DEFERRED;
		break;
	default:
		fprintf(stderr, "weir replay: job %" PRId64 " (line %" PRIu64 "): %s: %s\n", body->job.from->number,
			body->job.from->line, weir_status_text(status), weir_error_text());
		return -1;
	}
	body->submitted = true;
	return 0;
}

static int submit(struct replay *r, struct body *body)
{
	const struct scale_target *target = &r->target;
	struct scale_units demand = body->job.demand;
	uint64_t bytes;
	if (__builtin_mul_overflow(demand.memory, target->memory_unit_bytes, &bytes))
		bytes = UINT64_MAX;
	weir_decision decision = {0};
	weir_status status = weir_submit_decision(
		r->group, body_run, body,
		WEIR_DEMAND(.cores = (double)demand.cpu / target->units_per_core, .memory_bytes = bytes), &decision);
	if (weir_pool_scheduler(r->pool)) {
		r->fragmentation_sum += weir_scheduler_fragmentation(weir_pool_scheduler(r->pool));
		r->fragmentation_samples++;
	}
	return note_verdict(body, status, &decision);
}

static void cancel(struct replay *r)
{
	weir_group_cancel(r->group);
	r->cancelled = true;
}

static int run(struct replay *r)
{
	int result = 0;
	size_t submitted = 0;
	r->began_ns = weir_clock_monotonic_ns();
	while (!result && submitted < r->bodies_count && !interrupted) {
		struct body *body = &r->body[submitted];
		uint64_t due_ns = r->began_ns + body->job.arrive_ns;
		if (tick(r, due_ns, submitted) < due_ns)
			continue;
		result = submit(r, body);
		submitted++;
	}
	if (result)
		cancel(r);
	while (weir_group_pending(r->group)) {
		if (interrupted && !r->cancelled)
			cancel(r);
		tick(r, UINT64_MAX, submitted);
	}
	/* Its answer is the first error of a job; the report has them all. It orders what the bodies wrote before us.
	 */
	(void)weir_group_wait(r->group);
	clear_progress(r);
	return result;
}

/* Reporting. ----------------------------------------------------------------------------------------------------- */

static int cannot_write(const char *path)
{
	fprintf(stderr, "weir replay: %s: the report cannot be written: %s\n", path ? path : "standard output",
		strerror(errno));
	return -1;
}

/* Before anything runs: a report that has no place to go to is an error of the options. */
static int open_json(struct replay *r)
{
	if (!r->options.json)
		return 0;
	r->json = r->options.json_file ? fopen(r->options.json_file, "we") : stdout;
	return r->json ? 0 : cannot_write(r->options.json_file);
}

static int write_json(struct replay *r, const struct report *report)
{
	int result = report_json(report, r->json);
	if (r->options.json_file && fclose(r->json))
		result = -1;
	r->json = NULL;
	return result ? cannot_write(r->options.json_file) : 0;
}

static int make_report(struct replay *r)
{
	bool aware = !r->options.plain;
	struct report report = {
		.workload = r->options.workload,
		.strategy = aware ? r->options.strategy : "none",
		.admission = aware ? r->options.admission : "none",
		.machine = weir_machine_name(weir_pool_machine(r->pool)),
		.target = &r->target,
		.origin = &r->origin,
		.workers = weir_pool_workers(r->pool),
		.speedup = r->speedup,
		.seed = r->options.seed,
		.skipped = r->skipped,
		.aware = aware,
		.interrupted = interrupted,
		.fragmentation =
			r->fragmentation_samples ? r->fragmentation_sum / (double)r->fragmentation_samples : -1,
	};
	if (report_add_up(&report, &r->bodies, r->body, r->bodies_count, r->began_ns)) {
		complain("no memory for the report");
		return EXIT_OTHER_ERROR;
	}
	if (!r->options.json || r->options.json_file)
		report_print(&report, stdout);
	if (r->json && write_json(r, &report))
		return EXIT_OTHER_ERROR;
	bool sound = report_is_sound(&report, stderr);
	return interrupted ? EXIT_INTERRUPTED : sound ? EXIT_SUCCESS : EXIT_FAILURE;
}

int replay_main(int argc, char **argv)
{
	static struct replay replay;
	struct replay *r = &replay;
	replay_options_parse(&r->options, argc, argv);
	r->progress = isatty(STDERR_FILENO);
	int result = EXIT_OTHER_ERROR;
	if (!prepare(r) && !open_json(r)) {
		catch_interrupts();
		result = run(r) ? EXIT_OTHER_ERROR : make_report(r);
	}
	clean_up(r);
	return result;
}
