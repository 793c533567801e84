/* SPDX-License-Identifier: MIT */
/* demand_test.c - demands and amounts as text: what is right, what is wrong and how that is told, and garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "private/compiler.h"

#include <weir/resource.h>

static const char *const names[WEIR_COUNTED_MAX] = {"gpu", NULL, "iops", NULL};

static void amounts_are_read_as_people_write_them(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0},
		{"512", 512},
		{"512B", 512},
		{"1K", 1024},
		{"1k", 1024},
		{"64KiB", 65536},
		{"64kb", 65536},
		{"1.5G", UINT64_C(3) << 29},
		{".5M", 1 << 19},
		{"2T", UINT64_C(2) << 40},
		{"3P", UINT64_C(3) << 50},
		{"15E", UINT64_C(15) << 60},
		{"1e3", 1000},
		{"18446744073709551615", UINT64_MAX},
		{"18014398509481983K", (UINT64_MAX >> 10) << 10},
		/* Beyond the 53 bits of a double. */
		{"9007199254740993", UINT64_C(9007199254740993)},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t bytes = 1;
		if (weir_bytes_parse(&bytes, cases[i].text) || bytes != cases[i].bytes)
			fail_msg("%s is %llu", cases[i].text, (unsigned long long)bytes);
	}
}

/* Fails if a wrong amount is read as some number, if *out is touched, or if the text does not show what is wrong. */
static void wrong_amounts_are_refused_and_shown(void **state)
{
	(void)state;
	static const char *const cases[] = {"",
					    " 1",
					    "-1",
					    "+1",
					    "K",
					    "1Q",
					    "1KX",
					    "1K B",
					    "1 K",
					    "nan",
					    "inf",
					    "0x1g",
					    "1KiBs",
					    "1e400",
					    "16E",
					    "1e30",
					    "18446744073709551616",
					    "1..2",
					    "1,5",
					    "G1",
					    "1BK"};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t bytes = 77;
		if (weir_bytes_parse(&bytes, cases[i]) != WEIR_EINVAL || bytes != 77)
			fail_msg("\"%s\" is read as %llu", cases[i], (unsigned long long)bytes);
		if (!strstr(weir_error_text(), cases[i]))
			fail_msg("\"%s\" is not in \"%s\"", cases[i], weir_error_text());
	}
	uint64_t bytes;
	assert_int_equal(weir_bytes_parse(NULL, "1"), WEIR_EINVAL);
	assert_int_equal(weir_bytes_parse(&bytes, NULL), WEIR_EINVAL);
}

static void a_demand_says_what_its_words_say(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		weir_demand demand;
	} cases[] = {
		{"", {0}},
		{" \t ", {0}},
		{"cores=2", {.cores = 2}},
		{"cores=0.5 memory=1G", {.cores = 0.5, .memory_bytes = 1 << 30}},
		{"\tmemory=1.5K  gpu=3\tclass=HIGH ", {.memory_bytes = 1536, .counted = {3}, .task_class = WEIR_HIGH}},
		{"bandwidth=2M iops=4294967295", {.bandwidth_bytes_s = 2 << 20, .counted = {0, 0, UINT32_MAX}}},
		{"class=best-effort priority=-2147483648", {.task_class = WEIR_BEST_EFFORT, .priority = INT32_MIN}},
		{"class=critical priority=7", {.task_class = WEIR_CRITICAL, .priority = 7}},
		{"class=normal node=0", {.home = WEIR_NODE(0), .home_only = true}},
		{"node=1023", {.home = WEIR_NODE(1023), .home_only = true}},
		{"cores=2..8", {.cores = 8, .cores_min = 2}},
		{"cores=.5...75 steps=65535", {.cores = .75, .cores_min = .5, .steps = 65535}},
		{"memory=1G..1.5G bandwidth=1K..2M",
		 {.memory_bytes = UINT64_C(3) << 29,
		  .memory_min_bytes = 1 << 30,
		  .bandwidth_bytes_s = 2 << 20,
		  .bandwidth_min_bytes_s = 1 << 10}},
		{"cores=3..3", {.cores = 3, .cores_min = 3}},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_demand demand;
		memset(&demand, 0xff, sizeof(demand));
		if (weir_demand_parse(&demand, cases[i].text, names))
			fail_msg("%s", weir_error_text());
		const weir_demand *expected = &cases[i].demand;
		assert_int_equal(demand.size, sizeof(demand));
		assert_true(demand.cores == expected->cores);
		assert_int_equal(demand.memory_bytes, expected->memory_bytes);
		assert_int_equal(demand.bandwidth_bytes_s, expected->bandwidth_bytes_s);
		assert_memory_equal(demand.counted, expected->counted, sizeof(demand.counted));
		assert_true(demand.cores_min == expected->cores_min);
		assert_int_equal(demand.memory_min_bytes, expected->memory_min_bytes);
		assert_int_equal(demand.bandwidth_min_bytes_s, expected->bandwidth_min_bytes_s);
		assert_int_equal(demand.steps, expected->steps);
		assert_int_equal(demand.task_class, expected->task_class);
		assert_int_equal(demand.priority, expected->priority);
		assert_int_equal(demand.home, expected->home);
		assert_int_equal(demand.home_only, expected->home_only);
		assert_int_equal(demand.when_short, WEIR_QUEUE);
		assert_null(demand.near);
	}
}

/* Each wrong word is refused in words that name it, its value and what would do; *out stays as it was. */
static void wrong_words_are_refused_and_shown(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *says[3];
	} cases[] = {
		/* Not the last one: it may be the first that is meant. */
		{"cores=1 cores=3", {"cores", "twice", "cores=3"}},
		{"memory=1..2 cores=4 memory=3", {"memory", "twice", "memory=3"}},
		{"class=high class=high", {"class", "twice"}},
		{"node=1 iops=2 iops=0", {"iops=0", "twice"}},
		{"cores", {"\"cores\"", "name=value", "cores=2"}},
		{"cores=", {"cores=", "name=value"}},
		{"=2", {"=2", "name=value"}},
		{"cores=two", {"cores=two", "such as 2 or 0.5"}},
		{"cores=-1", {"cores=-1"}},
		{"cores=1x", {"cores=1x"}},
		{"cores=inf", {"cores=inf"}},
		{"cores=0x2", {"cores=0x2"}},
		{"cores=1e999", {"cores=1e999"}},
		{"memory=1Q", {"1Q", "1.5G"}},
		{"cores=4..2", {"cores=4..2", "least first"}},
		{"cores=0..2", {"cores=0..2", "more than 0"}},
		{"cores=..2", {"cores=..2", "least first"}},
		{"cores=1..", {"cores=1..", "least first"}},
		{"memory=1G..", {"memory=1G..", "least first"}},
		{"cores=1..2..3", {"2..3"}},
		{"memory=2G..1G", {"memory=2G..1G", "least first"}},
		{"memory=0..1G", {"memory=0..1G", "more than 0"}},
		{"memory=1..Q", {"\"Q\"", "1.5G"}},
		{"bandwidth=2..1", {"bandwidth=2..1"}},
		{"steps=65536", {"steps=65536", "65535"}},
		{"steps=1.5", {"steps=1.5", "whole number"}},
		{"class=urgent", {"class=urgent", "critical, high"}},
		{"priority=1.5", {"priority=1.5", "whole number"}},
		{"priority=2147483648", {"priority=2147483648"}},
		{"priority=x", {"priority=x"}},
		{"node=1024", {"node=1024", "0 to 1023"}},
		{"node=-1", {"node=-1"}},
		{"node=0x1", {"node=0x1"}},
		{"gpu=4294967296", {"gpu=4294967296", "4294967295"}},
		{"gpu=1.5", {"gpu=1.5", "whole number"}},
		{"cores=1 tpu=1", {"\"tpu\"", "no resource here", "node or a counted"}},
		{"Cores=1", {"\"Cores\""}},
		{"a=23456789012345678901234567890123456789012345678901234567890123456789", {"too long", "64 bytes"}},
	};
	weir_demand demand, before;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		memcpy(&demand, &before, sizeof(demand));
		assert_int_equal(weir_demand_parse(&demand, cases[i].text, names), WEIR_EINVAL);
		assert_memory_equal(&demand, &before, sizeof(demand));
		for (int w = 0; w < 3 && cases[i].says[w]; w++)
			if (!strstr(weir_error_text(), cases[i].says[w]))
				fail_msg("\"%s\" does not say \"%s\"", weir_error_text(), cases[i].says[w]);
	}
	assert_int_equal(weir_demand_parse(&demand, "gpu=1", NULL), WEIR_EINVAL);
	assert_int_equal(weir_demand_parse(NULL, "cores=1", NULL), WEIR_EINVAL);
	assert_int_equal(weir_demand_parse(&demand, NULL, NULL), WEIR_EINVAL);
}

static void every_class_and_resource_has_a_name(void **state)
{
	(void)state;
	for (int c = 0; c < WEIR_CLASSES; c++) {
		char text[32];
		weir_demand demand;
		snprintf(text, sizeof(text), "class=%s", weir_class_name((weir_class)c));
		assert_int_equal(weir_demand_parse(&demand, text, NULL), WEIR_OK);
		assert_int_equal(demand.task_class, c);
	}
	for (int r = 0; r < WEIR_RESOURCES; r++)
		assert_string_not_equal(weir_resource_name((weir_resource)r), "?");
	assert_string_equal(weir_resource_name(WEIR_RESOURCES), "?");
	assert_string_equal(weir_class_name((weir_class)-1), "?");
}

/* Garbage, mostly made of pieces that are nearly right: either refused, or a demand whose fields are in range. The text
 * ends at the end of its allocation, so that the address sanitizer sees a byte too much. */
static void garbage_is_refused_or_harmless(void **state)
{
	(void)state;
	static const char *const pieces[] = {"cores", "memory", "=",	"=",	"class", "high", "1",	    "0.5",
					     "G",     " ",	"\t",	"node", "gpu",	 "-",	 "e",	    ".",
					     "9999",  "x",	"\xff", "%s",	"\n",	 "iops", "priority"};
	uint64_t random = fixture_seed("demand");
	for (int i = 0; i < 100000; i++) {
		char text[160] = "";
		size_t length = 0;
		for (uint64_t n = fixture_random(&random) % 12; n; n--) {
			const char *piece = pieces[fixture_random(&random) % ARRAY_LENGTH(pieces)];
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s", piece);
		}
		char *exact = strdup(text);
		assert_non_null(exact);
		weir_demand demand;
		uint64_t bytes;
		if (weir_demand_parse(&demand, exact, names) == WEIR_OK) {
			assert_true(demand.cores >= 0 && demand.cores < 1e300 && demand.home <= WEIR_NODES_MAX);
			assert_true((unsigned)demand.task_class < WEIR_CLASSES);
		}
		(void)!weir_bytes_parse(&bytes, exact);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amounts_are_read_as_people_write_them),
		cmocka_unit_test(wrong_amounts_are_refused_and_shown),
		cmocka_unit_test(a_demand_says_what_its_words_say),
		cmocka_unit_test(wrong_words_are_refused_and_shown),
		cmocka_unit_test(every_class_and_resource_has_a_name),
		cmocka_unit_test(garbage_is_refused_or_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
