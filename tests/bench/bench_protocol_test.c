/* SPDX-License-Identifier: MIT */
/*
 * What benchmark programs print is taken apart word by word, and the file of promises too. Fails if a row that PROTOCOL.md
 * does not allow is believed, or one that it allows is refused.
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

#include "promises.h"
#include "protocol.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void a_list_says_workloads_and_thread_counts(void **state)
{
	(void)state;
	struct offers offers;
	char why[WHY_BYTES];
	assert_true(protocol_parse_list("fib 1,2\nuts 1,2,4+\ntracker_8t 8", &offers, why));
	assert_int_equal(offers.count, 3);
	assert_string_equal(offers.all[1].workload, "uts");
	assert_true(protocol_offers(&offers.all[0], 2) && !protocol_offers(&offers.all[0], 4));
	assert_true(protocol_offers(&offers.all[1], 64) && !protocol_offers(&offers.all[1], 3));
	assert_true(protocol_offers(&offers.all[2], 8) && !protocol_offers(&offers.all[2], 1));
	free(offers.all);
}

static void a_wrong_list_is_refused(void **state)
{
	(void)state;
	static const char *const lists[] = {
		"",
		"fib",
		"fib ",
		"fib 0",
		"fib 1,",
		"fib ,1",
		"fib 1 2",
		"fib 1+,2",
		"fib +",
		"Fib 1",
		"fib 99999",
		"fib x",
		"fib 1\n\nuts 1",
		" fib 1",
		"fib -1",
		"fib 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
		"a_name_that_is_longer_than_a_name_may_be 1",
	};
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct offers offers;
		char why[WHY_BYTES] = "";
		if (protocol_parse_list(lists[i], &offers, why))
			fail_msg("believed: '%s'", lists[i]);
		assert_true(*why);
		assert_int_equal(offers.count, 0);
	}
}

static void rows_are_taken_with_their_units(void **state)
{
	(void)state;
	struct measured rows[OUTPUT_ROWS_MOST];
	size_t count;
	char why[WHY_BYTES];
	assert_true(protocol_parse_rows("{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":2,\"value\":1.5}\n"
					"{\"workload\":\"fib\",\"peer\":\"go-1\",\"threads\":2,\"value\":3,"
					"\"unit\":\"us p99\",\"more\":[1]}\n",
					"fib", 2, rows, &count, why));
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].unit, "ns");
	assert_string_equal(rows[1].unit, "us p99");
	assert_string_equal(rows[1].peer, "go-1");
	assert_float_equal(rows[0].value, 1.5, 0);
	assert_int_equal(rows[1].threads, 2);
}

static void wrong_rows_are_refused(void **state)
{
	(void)state;
	static const char *const outputs[] = {
		"",
		"warming up",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1}\ndone",
		"{\"workload\":\"uts\",\"peer\":\"weir\",\"threads\":1,\"value\":1}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":2,\"value\":1}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":\"1\",\"value\":1}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":-1}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":NaN}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1e999}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":\"1\"}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1}",
		"{\"workload\":\"fib\",\"peer\":\"<b>\",\"threads\":1,\"value\":1}",
		"{\"workload\":\"fib\",\"threads\":1,\"value\":1}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1,\"unit\":\"\"}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1,\"unit\":7}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1,\"unit\":\"a\\nb\"}",
		"{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1,\"value\":2}",
		"[1]",
	};
	for (size_t i = 0; i < COUNT(outputs); i++) {
		struct measured rows[OUTPUT_ROWS_MOST];
		size_t count;
		char why[WHY_BYTES] = "";
		if (protocol_parse_rows(outputs[i], "fib", 1, rows, &count, why))
			fail_msg("believed: '%s'", outputs[i]);
		assert_true(*why);
	}
}

static void rows_without_end_are_refused(void **state)
{
	(void)state;
	static const char row[] = "{\"workload\":\"fib\",\"peer\":\"weir\",\"threads\":1,\"value\":1}\n";
	char text[(OUTPUT_ROWS_MOST + 1) * sizeof(row)] = "";
	for (int i = 0; i <= OUTPUT_ROWS_MOST; i++)
		strcat(text, row);
	struct measured rows[OUTPUT_ROWS_MOST];
	size_t count;
	char why[WHY_BYTES];
	assert_false(protocol_parse_rows(text, "fib", 1, rows, &count, why));
}

static bool read_promises(const char *text, struct promises *promises, char why[static WHY_BYTES])
{
	char path[] = "/tmp/bench-promises.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	bool good = promises_read(promises, path, why);
	unlink(path);
	return good;
}

static void promises_are_read(void **state)
{
	(void)state;
	struct promises p;
	char why[WHY_BYTES];
	assert_true(read_promises("# none\n\nfib 1 lace ratio 1.05 # why\n  latency_hot * - value\t0.3 us median\n"
				  "admission_1us 2 plain ratio 1/0.97\n",
				  &p, why));
	assert_int_equal(p.count, 3);
	assert_true(p.all[0].ratio);
	assert_string_equal(p.all[0].unit, "ns");
	assert_int_equal(p.all[1].threads, 0);
	assert_string_equal(p.all[1].unit, "us median");
	assert_string_equal(p.all[1].peer, "");
	assert_true(p.all[2].ratio && fabs(p.all[2].most - 1 / 0.97) < 1e-12);
	free(p.all);
}

static void wrong_promises_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"fib 1 lace ratio",	  "fib x lace ratio 1",	 "fib 1 - ratio 1",	 "fib 1 lace value 1",
		"fib 1 lace ratio 0",	  "fib 1 lace ratio -1", "fib 1 lace ratio 1/0", "fib 1 lace ratio one",
		"fib 1 lace ratio 1.05x", "Fib 1 lace ratio 1",	 "fib 1,2 lace ratio 1", "fib 1 lace times 1",
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct promises p;
		char why[WHY_BYTES] = "";
		if (read_promises(wrong[i], &p, why))
			fail_msg("believed: '%s'", wrong[i]);
		assert_true(*why);
		free(p.all);
	}
}

/* The project's own: each can be judged. */
static void the_promises_of_the_project_are_right(void **state)
{
	(void)state;
	struct promises p;
	char why[WHY_BYTES];
	if (!promises_read(&p, WEIR_SOURCE_DIR "/bench/promises.txt", why))
		fail_msg("%s", why);
	assert_true(p.count > 10);
	free(p.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_says_workloads_and_thread_counts),
		cmocka_unit_test(a_wrong_list_is_refused),
		cmocka_unit_test(rows_are_taken_with_their_units),
		cmocka_unit_test(wrong_rows_are_refused),
		cmocka_unit_test(rows_without_end_are_refused),
		cmocka_unit_test(promises_are_read),
		cmocka_unit_test(wrong_promises_are_refused),
		cmocka_unit_test(the_promises_of_the_project_are_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
