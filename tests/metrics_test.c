/* SPDX-License-Identifier: MIT */
/*
 * metrics_test.c - A3, as it is told: a snapshot says every decision once, by class, verdict and cause, and JSON and
 * Prometheus's text say what the snapshot does. Fails if one of them leaves something out or says it twice.
 */
#include <jansson.h>
#include <regex.h>

#include "house.h"

#include <weir/metrics.h>
#include <weir/reserve.h>

enum { TEXT_BYTES = 1 << 20 };

static char text[TEXT_BYTES];

static void forget(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)cause;
	(void)ticket;
	(void)node;
	*(weir_grant *)context = grant;
}

/* Two grants on node 0, one on node 1 under worst fit; one waits and is granted, one is deferred, one is too large. */
static void live_a_little(struct house *house, weir_metrics *m)
{
	build(house,
	      WEIR_TRACKER_OPTIONS(.machine = two_nodes,
				   .limits = WEIR_LIMITS(.cores = 8, .counted = {3}, .counted_name = {"gpu \"x\""})),
	      (weir_admission_options){0});
	weir_grant later = {0};
	weir_decision a = weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 3), NULL, NULL);
	weir_decision b = weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 1, .counted = {1}), NULL, NULL);
	assert_true(a.allowed && b.allowed);
	assert_int_equal(weir_admission_set_strategy(house->admission, WEIR_WORST_FIT), WEIR_OK);
	weir_decision c =
		weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 4, .task_class = WEIR_HIGH), NULL, NULL);
	assert_true(c.allowed);
	(void)weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER), NULL, NULL);
	(void)weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 100), NULL, NULL);
	(void)weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 2), forget, &later);
	now_ns += 5000;
	assert_int_equal(weir_admission_release(house->admission, a.grant), WEIR_OK);
	assert_int_not_equal(later.handle, 0);
	/* One reservation that expires, one breaker that refuses. */
	weir_reservation soon;
	assert_int_equal(weir_reserve(house->admission, WEIR_DEMAND(.cores = 1), 1000, &soon), WEIR_OK);
	now_ns += 1000;
	assert_int_equal(weir_admission_tick(house->admission, NULL), WEIR_OK);
	assert_int_equal(weir_admission_breaker_set(house->admission, WEIR_BEST_EFFORT, WEIR_BREAKER_FORCED_OPEN),
			 WEIR_OK);
	(void)weir_admission_admit(house->admission, WEIR_DEMAND(.cores = 1, .task_class = WEIR_BEST_EFFORT), NULL,
				   NULL);
	assert_int_equal(weir_admission_breaker_set(house->admission, WEIR_BEST_EFFORT, WEIR_BREAKER_OFF), WEIR_OK);
	assert_int_equal(weir_metrics_of_admission(house->admission, m), WEIR_OK);
	assert_int_equal(weir_admission_release(house->admission, b.grant), WEIR_OK);
	assert_int_equal(weir_admission_release(house->admission, c.grant), WEIR_OK);
	assert_int_equal(weir_admission_release(house->admission, later), WEIR_OK);
}

static void check_snapshot(const weir_metrics *m)
{
	uint64_t asked = 0;
	for (int k = 0; k < WEIR_CLASSES; k++)
		for (int v = 0; v < WEIR_VERDICTS; v++)
			for (int c = 0; c < WEIR_CAUSES; c++)
				asked += m->decisions[k][v][c];
	assert_int_equal(asked, 8);
	assert_int_equal(m->admission.asked, 8);
	assert_int_equal(m->decisions[WEIR_NORMAL][WEIR_ADMITTED][WEIR_CAUSE_NONE], 3);
	assert_int_equal(m->decisions[WEIR_HIGH][WEIR_ADMITTED][WEIR_CAUSE_NONE], 1);
	assert_int_equal(m->decisions[WEIR_NORMAL][WEIR_REJECTED][WEIR_CAUSE_INFEASIBLE], 1);
	assert_int_equal(m->wait[WEIR_NORMAL].count, 1);
	assert_int_equal(m->wait[WEIR_NORMAL].sum_ns, 5000);
	assert_int_equal(m->wait[WEIR_HIGH].count, 0);
	assert_int_equal(m->node[0].grants[0], 2);
	assert_int_equal(m->node[0].grants[2], 2);
	assert_int_equal(m->node[1].grants[2], 1);
	assert_int_equal(m->grants_live, 3);
	assert_true(m->held.cores == 7 && m->limit.cores == 8);
	assert_string_equal(m->strategy, "worst");
}

static uint64_t json_at(const json_t *json, const char *a, const char *b, const char *c, const char *d)
{
	const char *keys[] = {a, b, c, d};
	for (size_t i = 0; i < 4 && keys[i]; i++)
		json = json_object_get(json, keys[i]);
	assert_true(json_is_integer(json));
	return (uint64_t)json_integer_value(json);
}

static void the_snapshot_and_its_json_say_the_same(void **state)
{
	(void)state;
	struct house house;
	weir_node_metrics node[2];
	weir_metrics m = {.size = sizeof(m), .nodes_capacity = 2, .node = node};
	live_a_little(&house, &m);
	check_snapshot(&m);
	size_t length = weir_metrics_json(&m, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	const json_t *admission = json_object_get(json, "admission");
	assert_int_equal(json_at(admission, "asked", NULL, NULL, NULL), 8);
	assert_int_equal(json_at(admission, "decisions", "normal", "rejected", "infeasible"), 1);
	assert_int_equal(json_at(admission, "wait", "normal", "sum_ns", NULL), 5000);
	assert_int_equal(json_at(json_object_get(json, "resources"), "held", "gpu \"x\"", NULL, NULL), 1);
	assert_string_equal(json_string_value(json_object_get(json_object_get(json, "resources"), "audit")), "sound");
	assert_string_equal(json_string_value(json_object_get(json_object_get(admission, "level"), "now")), "green");
	assert_int_equal(json_at(admission, "reservations", "expired", NULL, NULL), 1);
	assert_int_equal(json_at(admission, "breaker", "refused", "best-effort", NULL), 1);
	assert_null(json_object_get(json, "pool"));
	json_decref(json);
	/* A snapshot that outlived its nodes' array says nothing of them, rather than to read it. */
	m.node = NULL;
	assert_true(weir_metrics_json(&m, text, sizeof(text)) < length);
	assert_true(weir_metrics_prometheus(&m, text, sizeof(text)) > 0);
	m.node = node;
	char small[16];
	assert_int_equal(weir_metrics_json(&m, small, sizeof(small)), length);
	assert_string_equal(small, "");
	pull_down(&house, 8);
}

/* "name{labels} value", or a comment, with the labels' values escaped. */
static void check_line(const char *line, const regex_t *sample)
{
	if (strncmp(line, "# HELP weir_", 12) && strncmp(line, "# TYPE weir_", 12) && regexec(sample, line, 0, NULL, 0))
		fail_msg("no line of Prometheus's: %s", line);
}

static void every_line_for_prometheus_is_well_formed(void **state)
{
	(void)state;
	struct house house;
	weir_node_metrics node[2];
	weir_metrics m = {.size = sizeof(m), .nodes_capacity = 2, .node = node};
	live_a_little(&house, &m);
	size_t length = weir_metrics_prometheus(&m, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	assert_non_null(strstr(text, "weir_decisions_total{class=\"normal\",verdict=\"admitted\",cause=\"none\"} 3\n"));
	assert_non_null(strstr(text, "weir_wait_seconds_sum{class=\"normal\"} 0.000005000\n"));
	assert_non_null(strstr(text, "weir_wait_seconds_bucket{class=\"normal\",le=\"+Inf\"} 1\n"));
	assert_non_null(strstr(text, "weir_held{node=\"all\",resource=\"gpu \\\"x\\\"\"} 1\n"));
	regex_t sample;
	assert_int_equal(regcomp(&sample,
				 "^weir_[a-z_]+(\\{[a-z]+=\"([^\"\\]|\\\\.)*\"(,[a-z]+=\"([^\"\\]|\\\\.)*\")*\\})? "
				 "[0-9.e+-]+$",
				 REG_EXTENDED | REG_NOSUB),
			 0);
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		check_line(line, &sample);
	regfree(&sample);
	pull_down(&house, 8);
}

static void what_is_wrong_with_a_call_is_said(void **state)
{
	(void)state;
	weir_metrics m = {.size = 1};
	assert_int_equal(weir_metrics_get(NULL, &m), WEIR_EINVAL);
	assert_int_equal(weir_metrics_of_admission(NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_metrics_json(NULL, text, sizeof(text)), 0);
	assert_int_equal(weir_metrics_prometheus(NULL, text, sizeof(text)), 0);
	weir_pool *pool;
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.workers = 1, .no_environment = true)), WEIR_OK);
	assert_int_equal(weir_metrics_get(pool, &m), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "out->size is 1"));
	m = (weir_metrics){.size = sizeof(m), .nodes_capacity = 1};
	assert_int_equal(weir_metrics_get(pool, &m), WEIR_EINVAL);
	m.nodes_capacity = 0;
	assert_int_equal(weir_metrics_get(pool, &m), WEIR_OK);
	assert_false(m.resource_aware);
	assert_int_equal(m.workers, 1);
	assert_true(weir_metrics_json(&m, text, sizeof(text)) > 0);
	assert_int_equal(weir_metrics_json(&m, NULL, sizeof(text)), strlen(text));
	assert_int_equal(weir_metrics_prometheus(&m, NULL, sizeof(text)), weir_metrics_prometheus(&m, NULL, 0));
	assert_null(strstr(text, "admission"));
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_snapshot_and_its_json_say_the_same),
		cmocka_unit_test(every_line_for_prometheus_is_well_formed),
		cmocka_unit_test(what_is_wrong_with_a_call_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
