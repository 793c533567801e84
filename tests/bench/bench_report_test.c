/* SPDX-License-Identifier: MIT */
/*
 * From samples to a report: rows, judgements, report.json and report.html, and two reports beside each other. Fails if weir is
 * judged by what was not measured, if the JSON lacks what its readers count on, if the page takes text for markup, or if a
 * regression is overlooked or invented.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "compare.h"
#include "html.h"
#include "json.h"
#include "report.h"
#include "show.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char hostile[] = "<script>alert(1)</script> & \"x\" 'y'\x01";

/* A run of three rounds, made by hand. */
struct made {
	struct samples samples;
	struct programs programs;
	struct promises promises;
	struct options options;
	struct noise noise;
	struct report report;
};

static void add(struct samples *samples, const char *workload, uint32_t threads, const char *peer, const char *unit,
		const double *values)
{
	for (uint32_t round = 0; round < 3; round++) {
		struct measured row = {.threads = threads, .value = values[round]};
		snprintf(row.workload, sizeof(row.workload), "%s", workload);
		snprintf(row.peer, sizeof(row.peer), "%s", peer);
		snprintf(row.unit, sizeof(row.unit), "%s", unit);
		assert_true(samples_add(samples, &row, round));
		assert_false(samples_add(samples, &row, round));
	}
}

static struct promise promised(const char *workload, uint32_t threads, const char *peer, double most, const char *unit)
{
	struct promise promise = {.threads = threads, .ratio = *peer, .most = most};
	snprintf(promise.workload, sizeof(promise.workload), "%s", workload);
	snprintf(promise.peer, sizeof(promise.peer), "%s", peer);
	snprintf(promise.unit, sizeof(promise.unit), "%s", unit);
	return promise;
}

static int make(void **state)
{
	static struct promise promises[6];
	static struct missing missing[1];
	struct made *m = calloc(1, sizeof(*m));
	if (!m)
		return -1;
	*samples_begin_cell(&m->samples, "fib", 1) = (struct cell){"fib", 1, 3, 0};
	*samples_begin_cell(&m->samples, "latency_hot", 1) = (struct cell){"latency_hot", 1, 3, 3};
	add(&m->samples, "fib", 1, "weir", "ns", (double[]){2, 20, 2});
	add(&m->samples, "fib", 1, "floor", "ns", (double[]){1, 10, 1});
	add(&m->samples, "latency_hot", 1, "weir", "us median", (double[]){0.2, 0.2, 0.2});
	add(&m->samples, "latency_hot", 1, "weir", "us p99", (double[]){2, 2, 2});
	add(&m->samples, "latency_hot", 1, "go", "us median", (double[]){0.4, 0.4, 0.4});
	samples_fail(&m->samples, "starpu", "fib", 1, hostile);
	missing[0] = (struct missing){.peer = "lace", .workloads = (char *)"fib,uts", .reason = hostile};
	m->programs = (struct programs){.missing = missing, .missing_count = 1};
	promises[0] = promised("fib", 1, "floor", 2, "ns");
	promises[1] = promised("fib", 0, "floor", 1.9, "ns");
	promises[2] = promised("fib", 1, "lace", 1.05, "ns");
	promises[3] = promised("latency_hot", 1, "", 0.3, "us median");
	promises[4] = promised("latency_hot", 0, "", 1, "us p99");
	promises[5] = promised("uts", 1, "lace", 1, "ns");
	m->promises = (struct promises){promises, COUNT(promises)};
	m->options = (struct options){.commit = hostile};
	m->noise.worst = 0.5;
	m->report = (struct report){.date = "2026-01-02T03:04:05Z", .machine = "<2> x CPU & co", .version = "0.1.0"};
	report_make(&m->report, &m->samples, &m->programs, &m->promises, &m->options, &m->noise);
	*state = m;
	return 0;
}

static int unmake(void **state)
{
	struct made *m = *state;
	report_free(&m->report);
	samples_free(&m->samples);
	free(m);
	return 0;
}

static const struct row *row_of(const struct made *m, const char *workload, const char *peer, const char *unit)
{
	for (size_t i = 0; i < m->report.rows_count; i++) {
		const struct row *row = &m->report.rows[i];
		if (strcmp(row->workload, workload) == 0 && strcmp(row->peer, peer) == 0 &&
		    strcmp(row->unit, unit) == 0)
			return row;
	}
	fail_msg("no row %s %s %s", workload, peer, unit);
	return NULL;
}

static void each_peer_has_a_row_beside_weir(void **state)
{
	const struct made *m = *state;
	assert_int_equal(m->report.rows_count, 5);
	const struct row *floor = row_of(m, "fib", "floor", "ns");
	assert_float_equal(floor->ratio.median, 2, 1e-12);
	assert_float_equal(floor->weir.median, 2, 1e-12);
	assert_false(floor->noisy);
	assert_int_equal(row_of(m, "fib", "lace", "ns")->state, ROW_NOT_RUN);
	assert_int_equal(row_of(m, "fib", "starpu", "ns")->state, ROW_FAILED);
	assert_true(row_of(m, "latency_hot", "go", "us median")->noisy);
	assert_true(isnan(row_of(m, "latency_hot", "", "us p99")->ratio.median));
	assert_true(m->report.noisy);
}

static void promises_are_judged_by_what_was_measured_alone(void **state)
{
	const struct made *m = *state;
	static const enum verdict wanted[] = {KEPT, MISSED, NOT_JUDGED, KEPT, MISSED};
	assert_int_equal(m->report.judgements_count, COUNT(wanted)); /* uts was not asked for */
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_int_equal(m->report.judgements[i].verdict, wanted[i]);
	assert_string_equal(m->report.judgements[2].reason, hostile);
	assert_float_equal(m->report.judgements[4].measured, 2, 1e-12);
	assert_int_equal(report_count(&m->report, MISSED), 2);
}

/* The same values, but the last round's are not there. */
static void two_rounds_judge_nothing(void **state)
{
	struct made *m = *state;
	for (size_t i = 0; i < m->samples.series_count; i++)
		m->samples.series[i].value[2] = NAN;
	report_free(&m->report);
	m->report = (struct report){.version = "0.1.0"};
	report_make(&m->report, &m->samples, &m->programs, &m->promises, &m->options, &m->noise);
	assert_int_equal(report_count(&m->report, NOT_JUDGED), 5);
	assert_string_equal(m->report.judgements[0].reason, "fewer than 3 rounds");
}

static char *scratch(void)
{
	static char path[32];
	strcpy(path, "/tmp/bench-report.XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	return path;
}

static char *text_of(const char *path)
{
	static char text[1 << 16];
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	size_t bytes = fread(text, 1, sizeof(text) - 1, in);
	text[bytes] = '\0';
	fclose(in);
	unlink(path);
	return text;
}

static void is_schema_row(const json_t *row)
{
	static const char *const numbers[] = {"weir_ns", "peer_ns", "ratio", "spread"};
	assert_true(json_is_string(json_object_get(row, "workload")));
	assert_true(json_is_string(json_object_get(row, "unit")));
	assert_true(json_is_string(json_object_get(row, "state")));
	assert_true(json_is_integer(json_object_get(row, "threads")));
	assert_true(json_is_boolean(json_object_get(row, "noisy")));
	const json_t *peer = json_object_get(row, "peer");
	assert_true(json_is_string(peer) || json_is_null(peer));
	for (size_t i = 0; i < COUNT(numbers); i++) {
		const json_t *value = json_object_get(row, numbers[i]);
		assert_true(json_is_number(value) || json_is_null(value));
	}
}

static void the_json_has_what_its_readers_count_on(void **state)
{
	const struct made *m = *state;
	char *path = scratch();
	assert_true(report_write_json(&m->report, path));
	json_t *all = json_load_file(path, 0, NULL);
	unlink(path);
	assert_non_null(all);
	assert_string_equal(json_string_value(json_object_get(all, "machine")), m->report.machine);
	assert_string_equal(json_string_value(json_object_get(all, "commit")), hostile);
	assert_int_equal(json_array_size(json_object_get(all, "load_before")), 3);
	const json_t *rows = json_object_get(all, "rows");
	assert_int_equal(json_array_size(rows), 5);
	for (size_t i = 0; i < json_array_size(rows); i++)
		is_schema_row(json_array_get(rows, i));
	const json_t *first = json_array_get(rows, 0);
	assert_float_equal(json_number_value(json_object_get(first, "ratio")), 2, 1e-6);
	assert_int_equal(json_array_size(json_object_get(all, "promises")), 5);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(json_object_get(all, "promises"), 1), "verdict")),
		"missed");
	assert_int_equal(json_array_size(json_object_get(all, "peers")), 5);
	assert_int_equal(json_array_size(json_object_get(all, "failures")), 1);
	json_decref(all);
}

static void the_page_takes_no_text_for_markup(void **state)
{
	const struct made *m = *state;
	char *path = scratch();
	assert_true(html_write(&m->report, path));
	const char *page = text_of(path);
	assert_null(strstr(page, "<script"));
	assert_null(strstr(page, "http"));
	assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; &#39;y&#39; "));
	assert_non_null(strstr(page, "&lt;2&gt; x CPU &amp; co"));
	assert_non_null(strstr(page, "<svg"));
	assert_non_null(strstr(page, "prefers-color-scheme:dark"));
	assert_non_null(strstr(page, "</html>"));
}

static void the_table_says_what_was_not_run(void **state)
{
	const struct made *m = *state;
	char *path = scratch();
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	show_table(&m->report, out);
	fclose(out);
	const char *table = text_of(path);
	assert_non_null(strstr(table, "not run: lace ("));
	assert_non_null(strstr(table, "failed: starpu, fib, 1 thread"));
	assert_non_null(strstr(table, "Promises: 2 kept, 2 missed, 1 not judged"));
	assert_non_null(strstr(table, "noisy"));
}

/* Where in its line the note of a peer begins, in the table of a report whose peer go spreads so much. */
static long note_of_go(struct made *m, double spread)
{
	for (size_t i = 0; i < m->report.rows_count; i++)
		if (strcmp(m->report.rows[i].peer, "go") == 0)
			m->report.rows[i].other.spread = spread;
	char *path = scratch();
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	show_table(&m->report, out);
	fclose(out);
	const char *line = strstr(text_of(path), "\n  go ");
	assert_non_null(line);
	const char *note = strstr(line, " 0.50");
	assert_non_null(note);
	return note - line;
}

/* What spreads by over 999 % had more digits than its column has room for. */
static void a_spread_keeps_to_its_column(void **state)
{
	struct made *m = *state;
	static const double spreads[] = {0.5, 19.8, 19.99, 20, 24.6, 250, 1e4, INFINITY};
	long column = note_of_go(m, 0.02);
	for (size_t i = 0; i < COUNT(spreads); i++)
		if (note_of_go(m, spreads[i]) != column)
			fail_msg("a spread of %g moves what stands behind it", spreads[i]);
}

/* Two reports of two rows; the second's values are given. */
static void make_pair(struct kept *a, struct kept *b, struct kept_row rows[4], double weir, double ratio)
{
	for (int i = 0; i < 4; i++) {
		rows[i] = (struct kept_row){.workload = "fib",
					    .unit = "ns",
					    .threads = 1,
					    .weir = i < 2 ? 2.0 : weir,
					    .weir_spread = 0.04,
					    .ratio = i < 2 ? 1.0 : ratio,
					    .spread = 0.03};
		strcpy(rows[i].peer, i % 2 ? "floor" : "lace");
	}
	*a = (struct kept){.machine = "one", .rows = rows, .count = 2};
	*b = (struct kept){.machine = "one", .rows = rows + 2, .count = 2};
}

static void a_regression_is_what_exceeds_both_spreads(void **state)
{
	(void)state;
	static const struct {
		double weir;
		size_t slower;
		size_t faster;
	} cases[] = {{2, 0, 0}, {2.1, 0, 0}, {2.12, 1, 0}, {4, 1, 0}, {1.9, 0, 0}, {1.8, 0, 1}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct kept a, b;
		struct kept_row rows[4];
		make_pair(&a, &b, rows, cases[i].weir, 5);
		FILE *out = fopen("/dev/null", "w");
		struct compared result = compare(&a, &b, out);
		fclose(out);
		assert_int_equal(result.both, 1); /* weir once, not once for each peer */
		assert_int_equal(result.slower, cases[i].slower);
		assert_int_equal(result.faster, cases[i].faster);
	}
}

static void one_round_says_nothing(void **state)
{
	(void)state;
	struct kept a, b;
	struct kept_row rows[4];
	make_pair(&a, &b, rows, 4, 1);
	rows[2].weir_spread = rows[3].weir_spread = NAN;
	FILE *out = fopen("/dev/null", "w");
	assert_int_equal(compare(&a, &b, out).slower, 0);
	fclose(out);
}

/* A row that only one report has is said to be new or gone, once for all peers, and is neither slower nor faster. */
static void what_is_in_one_report_alone_is_told(void **state)
{
	(void)state;
	struct kept a, b;
	struct kept_row rows[4];
	make_pair(&a, &b, rows, 4, 1);
	strcpy(rows[2].workload, "uts");
	strcpy(rows[3].workload, "uts");
	char *path = scratch();
	FILE *out = fopen(path, "w");
	struct compared result = compare(&a, &b, out);
	fclose(out);
	const char *told = text_of(path);
	assert_int_equal(result.both + result.slower + result.faster, 0);
	assert_int_equal(result.gone, 1);
	assert_int_equal(result.news, 1);
	assert_non_null(strstr(told, "  gone\n"));
	assert_non_null(strstr(told, "  new\n"));
}

/* Twice as slow a machine is no regression, twice the ratio is. */
static void on_two_machines_the_ratios_are_compared(void **state)
{
	(void)state;
	struct kept a, b;
	struct kept_row rows[4];
	make_pair(&a, &b, rows, 4, 1);
	b.machine[0] = 't';
	char *path = scratch();
	FILE *out = fopen(path, "w");
	struct compared result = compare(&a, &b, out);
	fclose(out);
	assert_int_equal(result.both, 2);
	assert_int_equal(result.slower, 0);
	assert_non_null(strstr(text_of(path), "Not the same machine"));
	make_pair(&a, &b, rows, 2, 2);
	b.machine[0] = 't';
	out = fopen("/dev/null", "w");
	assert_int_equal(compare(&a, &b, out).slower, 2);
	fclose(out);
}

static void what_was_written_can_be_compared(void **state)
{
	const struct made *m = *state;
	char *path = scratch();
	struct kept kept;
	char why[WHY_BYTES];
	assert_true(report_write_json(&m->report, path));
	if (!kept_read(&kept, path, why))
		fail_msg("%s", why);
	unlink(path);
	assert_int_equal(kept.count, 5);
	FILE *out = fopen("/dev/null", "w");
	struct compared result = compare(&kept, &kept, out);
	fclose(out);
	assert_int_equal(result.both, 3);
	assert_int_equal(result.slower + result.faster, 0);
	free(kept.rows);
}

static void a_broken_report_is_refused(void **state)
{
	(void)state;
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{\"format\":1}",
		"{\"format\":2,\"machine\":\"\",\"date\":\"\",\"commit\":\"\",\"rows\":[]}",
		"{\"format\":1,\"machine\":\"\",\"date\":\"\",\"commit\":\"\",\"rows\":{}}",
		"{\"format\":1,\"machine\":\"\",\"date\":\"\",\"commit\":\"\",\"rows\":[1]}",
		"{\"format\":1,\"machine\":\"\",\"date\":\"\",\"commit\":\"\",\"rows\":[{\"workload\":\"fib\"}]}",
	};
	for (size_t i = 0; i < COUNT(broken); i++) {
		char *path = scratch();
		FILE *out = fopen(path, "w");
		fputs(broken[i], out);
		fclose(out);
		struct kept kept;
		char why[WHY_BYTES] = "";
		if (kept_read(&kept, path, why))
			fail_msg("believed: %s", broken[i]);
		assert_true(*why);
		free(kept.rows);
		unlink(path);
	}
	struct kept kept;
	char why[WHY_BYTES] = "";
	assert_false(kept_read(&kept, "/tmp/there/is/none.json", why));
	assert_true(*why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_peer_has_a_row_beside_weir, make, unmake),
		cmocka_unit_test_setup_teardown(promises_are_judged_by_what_was_measured_alone, make, unmake),
		cmocka_unit_test_setup_teardown(two_rounds_judge_nothing, make, unmake),
		cmocka_unit_test_setup_teardown(the_json_has_what_its_readers_count_on, make, unmake),
		cmocka_unit_test_setup_teardown(the_page_takes_no_text_for_markup, make, unmake),
		cmocka_unit_test_setup_teardown(the_table_says_what_was_not_run, make, unmake),
		cmocka_unit_test_setup_teardown(a_spread_keeps_to_its_column, make, unmake),
		cmocka_unit_test(a_regression_is_what_exceeds_both_spreads),
		cmocka_unit_test(one_round_says_nothing),
		cmocka_unit_test(what_is_in_one_report_alone_is_told),
		cmocka_unit_test(on_two_machines_the_ratios_are_compared),
		cmocka_unit_test_setup_teardown(what_was_written_can_be_compared, make, unmake),
		cmocka_unit_test(a_broken_report_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
