/* SPDX-License-Identifier: MIT */
/*
 * replay_report_test.c - adding up what a replay's jobs came to.
 * Covers V5: the first verdicts sum to the jobs, and so do the ends. It fails by a job that is counted twice or not at
 * all, and by a check of soundness that finds nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tools/weir/report.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static struct scale_units node_limits[2] = {{128, 100}, {128, 100}};
static const struct scale_target target = {64, 4096, 2, node_limits, {256, 200}, NULL};
static const struct scale_origin origin = {
	.processors = 4, .memory_kb = 800, .processors_from = "here", .memory_from = "here"};

static void percentiles_are_by_nearest_rank(void **state)
{
	(void)state;
	uint64_t hundred[100];
	for (uint64_t i = 0; i < 100; i++)
		hundred[i] = 100 - i; /* 100, 99, ... 1 */
	struct report_times t = report_times(hundred, 100);
	assert_int_equal(t.p50, 50);
	assert_int_equal(t.p95, 95);
	assert_int_equal(t.p99, 99);
	assert_int_equal(t.max, 100);
	uint64_t three[] = {30, 10, 20};
	t = report_times(three, 3);
	assert_int_equal(t.p50, 20);
	assert_int_equal(t.p95, 30);
	uint64_t one[] = {7};
	t = report_times(one, 1);
	assert_int_equal(t.p50, 7);
	assert_int_equal(t.max, 7);
	t = report_times(NULL, 0);
	assert_int_equal(t.max, 0);
}

/* A job that came at 10, with half a core and a quarter of a node's memory. */
static struct body body_of(weir_verdict verdict, weir_cause cause, enum body_end end, uint64_t start_ns,
			   uint64_t end_ns)
{
	return (struct body){.submitted = true,
			     .verdict = verdict,
			     .cause = cause,
			     .end = end,
			     .place = end == BODY_NOT_RUN ? BODY_PLACE_UNKNOWN : BODY_AT_HOME,
			     .start_ns = start_ns,
			     .end_ns = end_ns,
			     .job = {.demand = {32, 25}, .arrive_ns = 10}};
}

static struct body_held held[3];
static struct bodies all = {.target = &target, .held = held};

static struct report report_of(const struct body *bodies, size_t count)
{
	struct report report = {.workload = "w.swf",
				.strategy = "first",
				.admission = "hard",
				.machine = "this",
				.target = &target,
				.origin = &origin,
				.workers = 3,
				.speedup = 2,
				.skipped = 9,
				.aware = true,
				.fragmentation = 0.5};
	assert_int_equal(report_add_up(&report, &all, bodies, count, 1000), 0);
	return report;
}

static const struct body every_end[] = {
	{.submitted = true, .verdict = WEIR_REJECTED, .cause = WEIR_CAUSE_INFEASIBLE, .job = {.demand = {129, 1}}},
	{.submitted = true, .verdict = WEIR_REJECTED, .cause = WEIR_CAUSE_QUEUE_FULL, .job = {.demand = {1, 1}}},
	{.submitted = true, .verdict = WEIR_DEFERRED, .cause = WEIR_CAUSE_SHORT, .job = {.demand = {1, 1}}},
	{.submitted = false, .job = {.demand = {1, 1}}}, /* Ctrl-C came before it did */
};

static void every_job_has_one_verdict_and_one_end(void **state)
{
	(void)state;
	struct body bodies[LENGTH(every_end) + 5];
	memcpy(bodies, every_end, sizeof(every_end));
	struct body *more = bodies + LENGTH(every_end);
	more[0] = body_of(WEIR_ADMITTED, WEIR_CAUSE_NONE, BODY_COMPLETED, 1010, 1110);
	more[1] = body_of(WEIR_QUEUED, WEIR_CAUSE_SHORT, BODY_COMPLETED, 1060, 1410);
	more[2] = body_of(WEIR_QUEUED, WEIR_CAUSE_SHORT, BODY_NOT_RUN, 0, 0); /* cancelled in the waiting room */
	more[3] = body_of(WEIR_ADMITTED, WEIR_CAUSE_NONE, BODY_CANCELLED, 1010, 1060);
	more[4] = body_of(WEIR_ADMITTED, WEIR_CAUSE_NONE, BODY_NO_MEMORY, 1010, 1010);
	struct report r = report_of(bodies, LENGTH(bodies));
	assert_int_equal(r.jobs, 8);
	assert_int_equal(r.verdict[WEIR_ADMITTED], 3);
	assert_int_equal(r.verdict[WEIR_QUEUED], 2);
	assert_int_equal(r.verdict[WEIR_DEFERRED], 1);
	assert_int_equal(r.verdict[WEIR_REJECTED], 2);
	assert_int_equal(r.rejected_by_cause[WEIR_CAUSE_INFEASIBLE], 1);
	assert_int_equal(r.rejected_by_cause[WEIR_CAUSE_QUEUE_FULL], 1);
	assert_int_equal(r.infeasible, 1);
	assert_int_equal(r.completed, 2);
	assert_int_equal(r.cancelled, 2);
	assert_int_equal(r.failed, 1);
	assert_int_equal(r.wait_ns.max, 50);
	assert_int_equal(r.makespan_ns, 410);
	/* (100 + 350 + 50) ns of 32 units, of 256 units in 410 ns. */
	assert_float_equal(r.utilisation_cpu, 500.0 * 32 / (256 * 410), 1e-9);
	assert_float_equal(r.utilisation_memory, 500.0 * 25 / (200 * 410), 1e-9);
	assert_float_equal(r.home_ratio, 1, 1e-9);
}

/* Whether the report is sound, with what it complained of in `said`. */
static bool sound(const struct report *report, char *said, size_t size)
{
	memset(said, 0, size);
	FILE *err = fmemopen(said, size - 1, "w");
	assert_non_null(err);
	bool answer = report_is_sound(report, err);
	fclose(err);
	return answer;
}

static void each_broken_promise_is_said(void **state)
{
	(void)state;
	char said[512];
	struct body good[] = {body_of(WEIR_ADMITTED, WEIR_CAUSE_NONE, BODY_COMPLETED, 1010, 1110)};
	struct report r = report_of(good, 1);
	assert_true(sound(&r, said, sizeof(said)));
	assert_string_equal(said, "");

	r.overcommit_events = 3;
	assert_false(sound(&r, said, sizeof(said)));
	assert_non_null(strstr(said, "more than a limit 3 times"));
	r.aware = false; /* a plain pool promises nothing */
	assert_true(sound(&r, said, sizeof(said)));

	r = report_of(good, 1);
	r.completed = 0;
	assert_false(sound(&r, said, sizeof(said)));
	assert_non_null(strstr(said, "1 jobs, but 1 verdicts and 0 ends"));

	r = report_of(good, 1);
	r.infeasible = 1;
	assert_false(sound(&r, said, sizeof(said)));
	assert_non_null(strstr(said, "0 jobs were rejected as infeasible, but by the file and the limits it is 1"));

	struct body bad[] = {body_of(WEIR_ADMITTED, WEIR_CAUSE_NONE, BODY_CORRUPT, 1010, 1110)};
	r = report_of(bad, 1);
	assert_false(sound(&r, said, sizeof(said)));
	assert_non_null(strstr(said, "1 jobs failed: 0 got no memory, of 1 it was overwritten"));
}

static void the_json_has_every_documented_key_and_no_other(void **state)
{
	(void)state;
	static const char *const keys[] = {"jobs",
					   "skipped",
					   "admitted",
					   "queued",
					   "deferred",
					   "rejected",
					   "rejected_by_cause",
					   "completed",
					   "failed",
					   "cancelled",
					   "wait_ns",
					   "makespan_ns",
					   "utilisation",
					   "fragmentation",
					   "home_node_ratio",
					   "peak_held",
					   "limit",
					   "overcommit_events",
					   "peak_rss_bytes",
					   "strategy",
					   "admission",
					   "machine"};
	struct body bodies[] = {body_of(WEIR_ADMITTED, WEIR_CAUSE_NONE, BODY_COMPLETED, 1010, 1110)};
	struct report r = report_of(bodies, 1);
	r.machine = "caf\xe9.xml"; /* Latin-1 */
	r.home_ratio = -1;
	atomic_store(&held[2].memory_peak, 25);
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	assert_non_null(out);
	assert_int_equal(report_json(&r, out), 0);
	fclose(out);
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);
	if (!json)
		fail_msg("%s in %s", error.text, text);
	assert_int_equal(json_object_size(json), LENGTH(keys));
	for (size_t i = 0; i < LENGTH(keys); i++) {
		if (!json_object_get(json, keys[i]))
			fail_msg("no key %s", keys[i]);
	}
	assert_true(json_is_null(json_object_get(json, "home_node_ratio")));
	assert_string_equal(json_string_value(json_object_get(json, "machine")), "caf?.xml");
	json_int_t peak = 0, limit_of_node = 0;
	assert_int_equal(json_unpack(json, "{s:{s:I}, s:{s:[{s:I}]}}", "peak_held", "memory", &peak, "limit", "nodes",
				     "memory", &limit_of_node),
			 0);
	assert_int_equal(peak, 25 * 4096);
	assert_int_equal(limit_of_node, 100 * 4096);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_by_nearest_rank),
		cmocka_unit_test(every_job_has_one_verdict_and_one_end),
		cmocka_unit_test(each_broken_promise_is_said),
		cmocka_unit_test(the_json_has_every_documented_key_and_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
